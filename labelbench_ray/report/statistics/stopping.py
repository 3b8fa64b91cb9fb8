"""Three published criteria for when to stop asking for labels; they need no labels beside those that were bought.

No criterion is the best everywhere (Pullar-Strecker et al. 2022, Machine Learning), so they are shown beside one
another and beside the money rule. Predictions are names of classes, or numbers of one list of names in all rounds:
where names are learned, a number of one round may be another class in the next. (Letters: T rounds, S rows of the stop
set, U unlabeled rows, K classes.) Where rows have several classes, predictions are rows of zeros and ones (S, K): kappa
compares each decision, and a row has changed where its set of classes has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.report.statistics.learning_curves import Floats

Predictions = NDArray[np.int64] | NDArray[np.str_]
STOP_SET: Final = 2000
"""Rows on which models are compared: the same ones in every round."""
LEAST_KAPPA, WINDOW = 0.99, 3
LEAST_GROWTH: Final = 0.05
"""Models are compared where labels grew by at least this share: a smaller batch changes less, whatever is left."""
MOST_CHANGED: Final = 0.01
MOST_UNCERTAIN: Final = 0.05
EVERY_ROW: Final = "every row has a label"


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a published criterion states after the last batch."""

    name: str
    looks_at: str
    """In words."""
    stops_where: str
    """The threshold, in words."""
    value: float | None
    """None where it cannot be computed yet."""
    stops: bool
    """Whether it would stop now."""
    missing: str = ""
    """Why there is no value yet."""


def criteria(
    labels_T: Floats, predictions_TS: Sequence[Predictions], open_S: NDArray[np.bool_], uncertainty: float | None
) -> tuple[Criterion, ...]:
    """The three criteria, for the last of T models.

    Args:
        labels_T: that each model learned from, ascending.
        predictions_TS: of the rows of the stop set.
        open_S: which of these have no label.
        uncertainty: `overall_uncertainty` of the last model on the open rows; None without a model or an open row.
    """
    kappas_T = kappas(labels_T, predictions_TS)
    compared = int((~np.isnan(kappas_T)).sum())
    agreement = float(kappas_T[-WINDOW:].mean()) if len(kappas_T) >= WINDOW else np.nan
    is_open = bool(open_S.any())
    compares = is_open and len(labels_T) > 1
    changed = classification_change(*(each[open_S] for each in predictions_TS[-2:])) if compares else None
    models = f"; {len(labels_T)} so far"
    return (
        Criterion(
            "stabilizing predictions",
            f"Cohen's kappa of successive models on {len(open_S):,} rows, mean of {WINDOW}",
            f"{LEAST_KAPPA} or more",
            None if np.isnan(agreement) else agreement,
            stabilized(kappas_T),
            f"it compares {WINDOW + 1} models in a row, each with 5 % more labels than the one before or more; "
            f"{compared} of {WINDOW} comparisons so far",
        ),
        Criterion(
            "classification change",
            "the share of rows without a label whose prediction the last batch changed",
            f"{MOST_CHANGED} or less",
            changed,
            changed is not None and changed <= MOST_CHANGED,
            f"it compares the models of two batches{models}" if is_open else EVERY_ROW,
        ),
        Criterion(
            "overall uncertainty",
            "the mean entropy of rows without a label, 1 for a model that guesses",
            f"{MOST_UNCERTAIN} or less",
            uncertainty,
            uncertainty is not None and uncertainty <= MOST_UNCERTAIN,
            "it needs a model, and the labels do not suffice for one" if is_open else EVERY_ROW,
        ),
    )


def stop_set(rows: int) -> NDArray[np.int64]:
    """The rows of a pool on which its models are compared: a fixed random sample, or all where there are few."""
    chosen_S: NDArray[np.int64] = np.random.default_rng([*b"stop set"]).permutation(rows)[:STOP_SET]
    return chosen_S


def cohens_kappa(first_S: Predictions, second_S: Predictions) -> float:
    """The agreement of two models beyond chance; 0 where both predict one and the same class for every row."""
    observed = float((first_S == second_S).mean())
    classes = np.union1d(first_S, second_S)
    shares = [np.array([(each_S == label).mean() for label in classes]) for each_S in (first_S, second_S)]
    chance = float(shares[0] @ shares[1])
    return (observed - chance) / (1 - chance) if chance < 1 else 0.0


def kappas(labels_T: Floats, predictions_TS: Sequence[Predictions]) -> Floats:
    """(T,) each round's agreement with the latest one before it that had enough fewer labels; NaN without one."""
    found = np.full(len(labels_T), np.nan)
    for number, labels in enumerate(labels_T):
        before = np.flatnonzero(labels_T[:number] * (1 + LEAST_GROWTH) <= labels)
        if len(before):
            found[number] = cohens_kappa(predictions_TS[before[-1]], predictions_TS[number])
    return found


def stabilized(kappas_T: Floats) -> bool:
    """Stabilizing predictions: the mean of the last three agreements is 0.99 or more.

    Bloodgood and Vijay-Shanker 2009, A method for stopping active learning based on stabilizing predictions and the
    need for user-adjustable stopping, CoNLL.
    """
    last = kappas_T[-WINDOW:]
    return len(last) == WINDOW and bool(last.mean() >= LEAST_KAPPA)


def classification_change(before_U: Predictions, now_U: Predictions) -> float:
    """The share of unlabeled rows whose prediction the last batch changed; below `MOST_CHANGED`, stop.

    Zhu, Wang and Hovy 2008, Multi-criteria-based strategy to stop active learning for data annotation, Coling.
    """
    return float((before_U != now_U).reshape(len(now_U), -1).any(axis=1).mean()) if len(now_U) else 0.0


def overall_uncertainty(probabilities_UK: Floats) -> float:
    """The mean entropy of the unlabeled rows over log K; below `MOST_UNCERTAIN`, stop. 1 for K = 1: others are unknown.

    Zhu, Wang and Hovy 2008, as above.
    """
    if not len(probabilities_UK):
        return 0.0
    if probabilities_UK.shape[1] == 1:
        return 1.0
    logs_UK = np.log(np.where(probabilities_UK > 0, probabilities_UK, 1))
    return float(-(probabilities_UK * logs_UK).sum(axis=1).mean() / np.log(probabilities_UK.shape[1]))

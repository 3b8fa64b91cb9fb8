"""Three published criteria for when to stop asking for labels; they need no labels beside those that were bought.

No criterion is the best everywhere (Pullar-Strecker et al. 2022, Machine Learning), so they are shown beside one
another and beside the money rule. Predictions are names of classes, or numbers of one list of names in all rounds:
where names are learned, a number of one round may be another class in the next. (Letters: T rounds, S rows of the stop
set, U unlabeled rows, K classes.)
"""

from collections.abc import Sequence
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
    return float((before_U != now_U).mean()) if len(now_U) else 0.0


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

"""Metrics of several labels a row: LabelBench's, under its names (arXiv 2306.09910).

Counts add up as integers. Average precision needs the order of all rows, so a tally keeps each row's probabilities and
labels (5 bytes a row and class) and sorts them once, when the metrics are asked for. Ties count together, as in
scikit-learn, so that the order of the rows and their number of shards do not matter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.tasks._ranges import AMOUNT, SHARE, Range
from labelbench_ray.types import Floats, Labels

UNIT = 2**24
"""Losses are summed as multiples of 1 / UNIT: float32's own precision near 1."""
THRESHOLD = 0.5
TOP = 3
"""Classes that are predicted for each row by the metrics that end in "Top-3"."""
RANGES: Final[Mapping[str, Range]] = {
    "mAP": SHARE,
    "Accuracy": SHARE,
    "Loss": AMOUNT,
    "Classes with Positives": AMOUNT,
    **{f"{name}{suffix}": SHARE for name in ("Precision", "Recall", "F1") for suffix in ("", f" Top-{TOP}")},
    "Group Gap": SHARE,
    "Num Labeled": AMOUNT,
    "Number of Positive": AMOUNT,
    "Labeled Class Imbalance": AMOUNT,
    "Labeled Class Entropy": AMOUNT,
}
"""Of the metrics below, and of those that the loop makes from them."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Per class (K,): how often it was predicted, and how often rightly, among the known entries."""

    predicted_K: Counts
    correct_K: Counts

    def __add__(self, other: Self) -> "Decisions":
        return Decisions(self.predicted_K + other.predicted_K, self.correct_K + other.correct_K)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts over the known entries of rows. `ranked` holds the rows themselves: probabilities and labels (B, K)."""

    positive_K: Counts
    at_threshold: Decisions
    at_top: Decisions
    known: int
    right: int
    loss: int
    ranked: tuple[tuple[Floats, Labels], ...]

    def __add__(self, other: Self) -> "Tally":
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def tally(probabilities_BK: Floats, labels_BK: Labels) -> Tally:
    """The tally of rows: probabilities (B, K) float32, true labels (B, K): 1, 0, or -1 for unknown."""
    known_BK, positive_BK = labels_BK >= 0, labels_BK == 1
    # The smallest normal number bounds the loss of an answer that was given no probability at all.
    likelihood_BK = np.maximum(np.where(positive_BK, probabilities_BK, 1 - probabilities_BK), np.finfo(np.float32).tiny)
    losses_BK = np.rint(-np.log(likelihood_BK.astype(np.float64)) * UNIT).astype(np.int64)
    predicted_BK = probabilities_BK >= THRESHOLD
    return Tally(
        positive_K=positive_BK.sum(axis=0),
        at_threshold=_decisions(predicted_BK & known_BK, positive_BK),
        at_top=_decisions(_likeliest(probabilities_BK) & known_BK, positive_BK),
        known=int(known_BK.sum()),
        right=int(right_answers(probabilities_BK, labels_BK).sum()),
        loss=int(losses_BK[known_BK].sum()),
        ranked=((probabilities_BK, labels_BK),),
    )


def right_answers(probabilities_BK: Floats, labels_BK: Labels) -> Counts:
    """(B,) how many of a row's known entries are predicted rightly at 0.5."""
    right_BK = (probabilities_BK >= THRESHOLD) == (labels_BK == 1)
    right_B: Counts = (right_BK & (labels_BK >= 0)).sum(axis=1)
    return right_B


def of_split(split: str, counts: Tally) -> dict[str, float]:
    """The metrics of one split.

    mAP averages over the classes that have a positive row, and "Classes with Positives" states how many those are. The
    other averages over classes count a class that is never predicted, or has no positive row, as 0, as LabelBench and
    scikit-learn do.
    """
    precisions = [average_precision(*column) for column in _columns(counts) if (column[1] == 1).any()]
    shares = (
        {}
        if not counts.known
        else {
            f"{split} Accuracy": counts.right / counts.known,
            f"{split} Loss": counts.loss / UNIT / counts.known,
        }
    )
    return {
        **({f"{split} mAP": float(np.mean(precisions))} if precisions else {}),
        f"{split} Classes with Positives": len(precisions),
        **shares,
        **_of_decisions(split, "", counts.at_threshold, counts.positive_K),
        **_of_decisions(split, f" Top-{TOP}", counts.at_top, counts.positive_K),
    }


def _of_decisions(split: str, suffix: str, decisions: Decisions, positive_K: Counts) -> dict[str, float]:
    correct_K, predicted_K = decisions.correct_K, decisions.predicted_K
    overall = (
        float(correct_K.sum() / max(1, predicted_K.sum())),
        float(correct_K.sum() / max(1, positive_K.sum())),
    )
    by_class = (
        float((correct_K / np.maximum(predicted_K, 1)).mean()),
        float((correct_K / np.maximum(positive_K, 1)).mean()),
    )
    return {
        f"{split} {kind} {name}{suffix}": value
        for kind, (precision, recall) in (("Overall", overall), ("Class Average", by_class))
        for name, value in (("Precision", precision), ("Recall", recall), ("F1", harmonic_mean(precision, recall)))
    }


def harmonic_mean(precision: float, recall: float) -> float:
    """2 * precision * recall / (precision + recall), 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def mean_average_precision(probabilities_NK: Floats, labels_NK: Labels) -> float:
    """The mean over the classes that have a positive row; 0 where none has."""
    columns = [(score_N, label_N) for score_N, label_N in zip(probabilities_NK.T, labels_NK.T, strict=True)]
    precisions = [average_precision(*column) for column in columns if (column[1] == 1).any()]
    return float(np.mean(precisions)) if precisions else 0.0


def average_precision(score_N: NDArray[np.floating], label_N: Labels) -> float:
    """The mean over the positive rows of the precision among all known rows that score at least as much."""
    known_N = label_N >= 0
    score_M, positive_M = score_N[known_N], label_N[known_N] == 1
    order_M = np.argsort(-score_M, kind="stable")
    score_M, positive_M = score_M[order_M], positive_M[order_M]
    last_T = np.flatnonzero(np.append(score_M[1:] != score_M[:-1], True))  # the last row of each distinct score
    found_T = np.cumsum(positive_M)[last_T]
    gained_T = np.diff(found_T, prepend=0)
    return float((gained_T * found_T / (last_T + 1)).sum() / found_T[-1])


def of_labeled(true_LK: Labels) -> dict[str, float]:
    """How many rows were labeled and how evenly over the classes, counted with the true labels."""
    count_K = (true_LK == 1).sum(axis=0)
    total = int(count_K.sum())
    share_K = count_K[count_K > 0] / max(1, total)
    return {
        "Num Labeled": len(true_LK),
        "Total Number of Positive": total,
        "Min Class Number of Positive": int(count_K.min()),
        "Max Class Number of Positive": int(count_K.max()),
        "Labeled Class Imbalance": count_K.max() / max(1, count_K.min()),
        "Labeled Class Entropy": float(-(share_K * np.log(share_K)).sum()),
    }


def labeling_accuracy(pool: Tally, labeled_right: int, bought_LK: Labels, true_LK: Labels) -> float:
    """The share of the pool's known entries that end up right."""
    bought_right = int(((bought_LK == true_LK) & (true_LK >= 0)).sum())
    return (pool.right - labeled_right + bought_right) / max(1, pool.known)


def _decisions(predicted_BK: NDArray[np.bool_], positive_BK: NDArray[np.bool_]) -> Decisions:
    return Decisions(predicted_BK.sum(axis=0), (predicted_BK & positive_BK).sum(axis=0))


def _likeliest(probabilities_BK: Floats) -> NDArray[np.bool_]:
    """(B, K) the `TOP` largest entries of each row, all where there are fewer; the first of equal ones."""
    places_BT = np.argsort(-probabilities_BK, axis=1, kind="stable")[:, :TOP]
    chosen_BK = np.zeros(probabilities_BK.shape, np.bool_)
    np.put_along_axis(chosen_BK, places_BT, True, axis=1)
    return chosen_BK


def _columns(counts: Tally) -> Iterator[tuple[Floats, Labels]]:
    """Class by class, the probabilities and labels of all rows."""
    for place in range(len(counts.positive_K)):
        yield tuple(np.concatenate([part[:, place] for part in parts]) for parts in zip(*counts.ranked, strict=True))  # type: ignore[misc]

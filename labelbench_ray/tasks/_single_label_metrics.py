"""Metrics from counts: LabelBench's, under its names (arXiv 2306.09910), and calibration and labeling accuracy.

Everything about a split comes from one `Tally`: class counts, a loss sum and calibration bins. Tallies of parts add up
to the tally of the whole, so that a pool in shards is evaluated shard by shard; all of it is integers, so that the sum
has the same bits in any order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.tasks._ranges import AMOUNT, SHARE, Range
from labelbench_ray.types import Floats, Ids

CALIBRATION_BINS = 15
UNIT = 2**24
"""Losses and confidences are summed as multiples of 1 / UNIT: float32's own precision near 1."""
RANGES: Final[Mapping[str, Range]] = {
    "Accuracy": SHARE,
    "Accuracy Present Classes": SHARE,
    "Macro F1": SHARE,
    "Loss": AMOUNT,
    "Expected Calibration Error": SHARE,
    "Group Gap": SHARE,
    "Num Labeled": AMOUNT,
    "Number of Positive": AMOUNT,
    "Labeled Class Imbalance": AMOUNT,
    "Labeled Class Entropy": AMOUNT,
}
"""Of the metrics below, and of those that the loop makes from them."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts over rows: per class (K,) support, predicted and correct; loss and confidence summed in 1 / UNIT."""

    support_K: Counts
    predicted_K: Counts
    correct_K: Counts
    loss: int
    bin_rows: Counts
    bin_confidence: Counts
    bin_correct: Counts

    def __add__(self, other: Self) -> "Tally":
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def tally(probabilities_BK: Floats, labels_B: Ids) -> Tally:
    """The tally of rows: probabilities (B, K) float32 and true labels (B,) int64."""
    num_classes = probabilities_BK.shape[1]
    predicted_B = probabilities_BK.argmax(axis=1)
    correct_B = predicted_B == labels_B
    confidence_B = probabilities_BK.max(axis=1).astype(np.float64)
    # The smallest normal number bounds the loss of a row that was given no probability at all.
    likelihood_B = np.maximum(probabilities_BK[np.arange(len(labels_B)), labels_B], np.finfo(np.float32).tiny)
    bins_B = np.minimum((confidence_B * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    loss_B = np.rint(-np.log(likelihood_B.astype(np.float64)) * UNIT).astype(np.int64)
    bin_confidence = np.zeros(CALIBRATION_BINS, np.int64)
    np.add.at(bin_confidence, bins_B, np.rint(confidence_B * UNIT).astype(np.int64))
    return Tally(
        support_K=np.bincount(labels_B, minlength=num_classes),
        predicted_K=np.bincount(predicted_B, minlength=num_classes),
        correct_K=np.bincount(labels_B[correct_B], minlength=num_classes),
        loss=int(loss_B.sum()),
        bin_rows=np.bincount(bins_B, minlength=CALIBRATION_BINS),
        bin_confidence=bin_confidence,
        bin_correct=np.bincount(bins_B[correct_B], minlength=CALIBRATION_BINS),
    )


def of_split(split: str, counts: Tally) -> dict[str, float]:
    """The metrics of one split; `split` is "Pool", "Validation" or "Test".

    A class with no row counts as accuracy 0 in the balanced and per-class figures, as LabelBench has it; "Present
    Classes" leaves such classes out. Macro F1 averages over the classes that occur in truth or prediction, as
    scikit-learn does.
    """
    short = {"Validation": "Val"}.get(split, split)
    balanced = {"Pool": "Training"}.get(split, split)
    rows = int(counts.support_K.sum())
    accuracy_K = counts.correct_K / np.maximum(counts.support_K, 1)
    occurring_K = counts.support_K + counts.predicted_K > 0
    f1_K = 2 * counts.correct_K / np.maximum(counts.support_K + counts.predicted_K, 1)
    gaps = np.abs(counts.bin_confidence / UNIT - counts.bin_correct)
    return {
        f"{split} Accuracy": counts.correct_K.sum() / rows,
        f"Balanced {balanced} Accuracy": accuracy_K.mean(),
        f"Min Class {short} Accuracy": accuracy_K.min(),
        f"Max Class {short} Accuracy": accuracy_K.max(),
        f"STD {short} Accuracy": accuracy_K.std(),
        f"{split} Accuracy Present Classes": accuracy_K[counts.support_K > 0].mean(),
        f"{split} Macro F1": f1_K[occurring_K].mean(),
        f"{split} Loss": counts.loss / UNIT / rows,
        f"{split} Expected Calibration Error": gaps.sum() / rows,
    }


def of_labeled(true_L: Ids, num_classes: int) -> dict[str, float]:
    """How many rows were labeled and how evenly over the classes, counted with the true labels."""
    count_K = np.bincount(true_L, minlength=num_classes)
    share_K = count_K[count_K > 0] / len(true_L)
    return {
        "Num Labeled": len(true_L),
        "Total Number of Positive": int(count_K.sum()),
        "Min Class Number of Positive": int(count_K.min()),
        "Max Class Number of Positive": int(count_K.max()),
        "Labeled Class Imbalance": count_K.max() / max(1, count_K.min()),
        "Labeled Class Entropy": float(-(share_K * np.log(share_K)).sum()),
    }


def labeling_accuracy(pool: Tally, labeled_correct: int, bought_L: Ids, true_L: Ids) -> float:
    """The share of the pool that ends up rightly labeled: by annotators where bought, by the proxy elsewhere.

    `labeled_correct`: how many of the labeled rows the proxy predicts rightly.
    """
    unlabeled_correct = int(pool.correct_K.sum()) - labeled_correct
    return (unlabeled_correct + int((bought_L == true_L).sum())) / int(pool.support_K.sum())

"""Which classes have few of the labels that were paid for, and what another label of each is worth."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import Ids, Labels, PoolView


def class_counts(view: PoolView) -> Ids:
    """(K,) labels of each class; of independent classes, rows that have the class."""
    return counts_of(view.labels_L, view.num_classes)


def counts_of(labels_B: Labels, num_classes: int) -> Ids:
    """(K,) how many of these labels are of each class; a class that is not known to be there does not count."""
    if labels_B.ndim == 1:
        return np.bincount(labels_B, minlength=num_classes)
    counts_K: Ids = (labels_B == 1).sum(axis=0)
    return counts_K


def below_mean(counts_K: Ids, key: int) -> Ids:
    """The classes with fewer labels than the mean class, fewest first; ties go by hash."""
    rare_C = np.flatnonzero(counts_K < counts_K.mean())
    return rare_C[np.lexsort((tie_hash(key, rare_C), counts_K[rare_C]))]


def worth(counts_K: Ids, labeled: int) -> NDArray[np.float64]:
    """(K,) what a label of each class is worth: 1 / labels so far, negative for the class of more than half of all."""
    worth_K: NDArray[np.float64] = 1 / np.maximum(counts_K, 1)
    return np.where(2 * counts_K > labeled, -worth_K, worth_K)

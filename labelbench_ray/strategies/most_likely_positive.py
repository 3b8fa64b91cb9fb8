"""Most likely positive: the rows that are most surely of a rare class (Warmuth et al. 2003)."""

from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from labelbench_ray.pool.distributions import CATEGORICAL
from labelbench_ray.strategies import RankingStrategy, Want
from labelbench_ray.strategies._ranking import Score
from labelbench_ray.strategies._rare_classes import class_counts
from labelbench_ray.types import Block, Ids, PoolView


class MostLikelyPositive(RankingStrategy):
    """The rows with the largest probability of one of the rare classes. Exact.

    `classes` are the rare classes; where none are given, those with fewer labels than the median class, and where no
    class has, those with the fewest (all, as long as there are no labels).
    """

    wants: ClassVar[tuple[Want, ...]] = ("probabilities", "labels")
    cost: ClassVar[str] = "N·K"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = (
        "Warmuth et al., *Active Learning with Support Vector Machines in the Drug Discovery Process*, 2003"
    )
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")
    classes: tuple[NonNegativeInt, ...] = ()

    def scorer(self, view: PoolView, key: int) -> Score:
        beyond = [label for label in self.classes if label >= view.num_classes]
        if beyond:
            raise ValueError(f"classes: {beyond[0]} is not a class; there are {view.num_classes}, numbered from 0")
        return partial(_likeliest, classes_R=np.array(self.classes or _rare(view), np.int64))


def _rare(view: PoolView) -> Ids:
    counts_K = class_counts(view)
    few_K = counts_K < np.median(counts_K)
    return np.flatnonzero(few_K if few_K.any() else counts_K == counts_K.min())


def _likeliest(block: Block, classes_R: Ids) -> NDArray[np.float64]:
    likeliest_B: NDArray[np.float64] = block.probabilities_BK[:, classes_R].max(axis=1).astype(np.float64)
    if block.distribution != CATEGORICAL:
        return likeliest_B
    # Divided by the sum in float64, so that rows whose probability reads 1.0 keep their order.
    scores_B: NDArray[np.float64] = likeliest_B / block.probabilities_BK.sum(axis=1, dtype=np.float64)
    return scores_B

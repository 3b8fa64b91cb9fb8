"""TAILOR: Thompson sampling over strategies, paid by the rarity of the labels that they find (Zhang et al. 2023)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.strategies._arms import Arms, in_turns
from labelbench_ray.strategies._notes import Chosen, History
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._rare_classes import class_counts, counts_of, worth
from labelbench_ray.strategies._strategy import MemoryStrategy
from labelbench_ray.types import Ask, Ids, PoolView

Counts = NDArray[np.float64]
DRAWN = 2**20
"""Numbers drawn at a time."""


class Tailor(Arms, MemoryStrategy):
    """Learns from round to round which arm finds labels of classes that have few, and lets it choose more rows.

    An arm's labels of the last rounds, a round's weight falling by `decay` with each later one, are the counts of a
    Dirichlet distribution over the classes that its next row may have (with a prior of 2 labels a class, as in the
    authors' code); of independent classes, of a Beta distribution for each. For every row of the batch a distribution
    is drawn for each arm, and the arm with the largest expected worth chooses. A label is worth 1 / labels of its class
    before the round, and its negative if the class has more than half of the labels. Labels of the batch itself change
    nothing before the next round. Classes of equal worth are drawn as one, which has the same law.
    """

    cost: ClassVar[str] = "one pass for all arms that score rows, and the cost of the others"
    guarantee: ClassVar[str] = (
        "the authors' code; an arm that asks chooses the rows of its turns first, in batches where it cannot"
    )
    source: ClassVar[str] = (
        "Zhang et al., *Algorithm Selection for Deep Active Learning with Imbalanced Datasets*, NeurIPS 2023, "
        "[2302.07317](https://arxiv.org/abs/2302.07317)"
    )
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """What a round's labels weigh after each later round; 1 forgets nothing."""
    objective: Literal["balance", "positives"] = "balance"
    """What labels are worth: rare classes more, or, of rows with several labels, every class that is there the same."""

    def choose_with_notes(self, view: PoolView, budget: int, key: int, ask: Ask | None, history: History) -> Chosen:
        arms = self.playing(view, key)
        numbers_A = np.array([arm.number for arm in arms])
        rng = np.random.default_rng(subkey(key, "turns"))
        turns_B = self._learned(view, history, numbers_A).turns(self._worth(view), budget, rng)
        return in_turns(view, arms, turns_B, key, ask)

    def _learned(self, view: PoolView, history: History, numbers_A: Ids) -> "Posterior":
        return posterior(history, numbers_A, view.num_classes, view.distribution, self.decay)

    def _worth(self, view: PoolView) -> Counts:
        if self.objective == "balance":
            return worth(class_counts(view), len(view.labeled_L))
        if view.distribution == CATEGORICAL:
            raise ValueError(
                "objective: 'positives' is for rows with several labels; with one class a row all arms would earn the "
                "same; use 'balance'"
            )
        return np.ones(view.num_classes)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What each arm's rows turned out to be: A arms, by their order; K classes."""

    there_AK: Counts
    """1, and the weighted number of rows with the class."""
    absent_AK: Counts | None
    """1, and that of rows without it; None where a row has one class."""

    @property
    def means_AK(self) -> Counts:
        """How likely the next row of each arm has each class."""
        means_AK: Counts
        if self.absent_AK is None:
            means_AK = (self.there_AK + 1) / (self.there_AK + 1).sum(axis=1, keepdims=True)
        else:
            means_AK = self.there_AK / (self.there_AK + self.absent_AK)
        return means_AK

    def turns(self, worth_K: Counts, budget: int, rng: np.random.Generator) -> Ids:
        """(budget,) the place of the arm that chooses each row: the largest expected worth of independent draws."""
        if self.absent_AK is None:
            worth_G, group_K = np.unique(worth_K, return_inverse=True)
            shapes_AG = (self.there_AK + 1) @ np.eye(len(worth_G))[group_K]
        else:
            worth_G, shapes_AG = worth_K, self.there_AK
        turns_B = np.empty(budget, np.int64)
        step = max(1, DRAWN // shapes_AG.size)
        for start in range(0, budget, step):
            size = (min(step, budget - start), *shapes_AG.shape)
            turns_B[start : start + size[0]] = (self._shares(shapes_AG, size, rng) @ worth_G).argmax(axis=1)
        return turns_B

    def _shares(self, shapes_AG: Counts, size: tuple[int, ...], rng: np.random.Generator) -> Counts:
        if self.absent_AK is not None:
            return rng.beta(self.there_AK, self.absent_AK, size)
        shares_TAG = rng.standard_gamma(shapes_AG, size)
        shares_TAG /= shares_TAG.sum(axis=2, keepdims=True)
        return shares_TAG


def posterior(
    history: History, numbers_A: Ids, num_classes: int, distribution: Distribution, decay: float
) -> Posterior:
    """The fold of the earlier rounds; a row without a note, such as one of the first batch, changes nothing."""
    shape = (len(numbers_A), num_classes)
    there_AK, absent_AK = np.ones(shape), np.ones(shape)
    for earlier in history:
        if not (earlier.notes >= 0).any():
            continue
        there_AK *= decay
        absent_AK *= decay
        for place, number in enumerate(numbers_A.tolist()):
            labels_C = earlier.labels[earlier.notes == number]
            there_AK[place] += counts_of(labels_C, num_classes)
            if labels_C.ndim > 1:
                absent_AK[place] += (labels_C == 0).sum(axis=0)
    return Posterior(there_AK, None if distribution == CATEGORICAL else absent_AK)

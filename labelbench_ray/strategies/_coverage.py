"""Greedy choice of rows that cover the pool: F(S) = sum_i w_i max_{j in L u S} k(x_i, x_j), k rising in the cosine
or, for rows that are placed in a Euclidean space, falling in the distance.

F is monotone and submodular, so the greedy choice reaches (1 - 1/e) of the best (Nemhauser et al. 1978). What a row
gains only falls as others are chosen, so a gain computed earlier bounds it: one pass over the pool bounds every row's
gain (float32, rounded up), and afterwards only rows whose bound leads are computed anew (float64; lazy greedy, Minoux
1978). The picks are the plain greedy's.

The sum over i runs over the N rows that may be chosen or are labeled (what `PoolView.only` leaves out needs no cover):
over a keyed uniform sample of them, the *targets* (all, if they are not more than that). A row's similarity to itself
enters its own gain once, whether or not it is a target, and the other targets are scaled up to the other N - 1 rows:
every row's gain is estimated without bias. A plain sampled F would favor the targets as
candidates, and run dry when all of them are chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import open_or_labeled, sample_of_pool
from labelbench_ray.strategies._spaces import SPHERE, Space
from labelbench_ray.types import Block, Ids, PoolView, Shard

Kernel = Callable[[NDArray[np.floating]], NDArray[np.floating]]
"""Products of a space, such as cosines -> similarities in [0, 1], rising, 1 for equal rows.

May write into its argument, which the caller gives up."""
Weight = Callable[[Block], NDArray[np.float64]]
"""(B,) how much it counts that a row is covered, not negative."""

TARGETS = 4096
"""A gain is a mean over the targets, in [0, 1]: its error is below 0.031 with probability 0.999 (Hoeffding)."""
PASS_ROWS = 512
COSINE_SLACK, SLACK = np.float32(2e-6), 1e-5
"""More than the rounding of a float32 cosine, and of a float32 sum of similarities (relative)."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The rows to cover, by ascending id, as vectors of a space; and how well each is covered."""

    ids_T: Ids
    units_TD: NDArray[np.float64]
    weights_T: NDArray[np.float64]
    covered_T: NDArray[np.float64]
    others: int
    """N - 1: the rows that the targets other than a candidate stand for."""
    kernel: Kernel
    weight: Weight
    space: Space

    def own(self, ids_C: Ids) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The (places among these ids, places among the targets) that are the same row."""
        places_C = np.minimum(np.searchsorted(self.ids_T, ids_C), len(self.ids_T) - 1)
        found_F = np.flatnonzero(self.ids_T[places_C] == ids_C)
        return found_F, places_C[found_F]

    def scale(self, ids_C: Ids) -> NDArray[np.float64]:
        """How many rows each target other than the candidate stands for."""
        counts_C = np.full(len(ids_C), len(self.ids_T))
        counts_C[self.own(ids_C)[0]] -= 1
        scale_C: NDArray[np.float64] = self.others / np.maximum(counts_C, 1)
        return scale_C


def one(block: Block) -> NDArray[np.float64]:
    """Every row counts the same."""
    return np.ones(len(block.ids_B))


def radial(cosines: NDArray[np.floating], sigma: float) -> NDArray[np.floating]:
    """exp(-(distance / sigma)^2) of unit vectors, whose squared distance is 2 - 2 cos; in place."""
    cosines -= 1
    cosines *= 2 / sigma**2
    np.minimum(cosines, 0, out=cosines)
    np.exp(cosines, out=cosines)
    return cosines


def targets_of(view: PoolView, count: int, key: int, kernel: Kernel, weight: Weight, space: Space = SPHERE) -> Targets:
    ids_T = np.sort(sample_of_pool(view, subkey(key, "targets"), count, open_or_labeled))
    parts = view.map(partial(_weights_among, ids_C=ids_T, weight=weight))
    return Targets(
        ids_T,
        space.placed(view.embeddings(ids_T), np.float64),
        np.concatenate(parts),
        np.zeros(len(ids_T)),
        view.num_unlabeled + len(view.labeled_L) - 1,
        kernel,
        weight,
        space,
    )


def _weights_among(shard: Shard, ids_C: Ids, weight: Weight) -> NDArray[np.float64]:
    return np.concatenate([np.empty(0), *(weight(block) for block in shard.among(ids_C))])


def bounds_of(shard: Shard, goal: Targets) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(U,) what each row gains at most, and (U,) its weight."""
    bounds, weights = [np.empty(0)], [np.empty(0)]
    for block in shard.candidates():
        weights.append(goal.weight(block))
        units_BD = goal.space.placed(block.embeddings_BD, goal.space.fast)
        bounds.append(goal.scale(block.ids_B) * sums_above(units_BD, block.ids_B, goal) + weights[-1])
    return np.concatenate(bounds), np.concatenate(weights)


def sums_above(units_BD: NDArray[np.floating], ids_B: Ids, goal: Targets) -> NDArray[np.float64]:
    """(B,) weighted sums over the targets of what each row adds to their coverage, rounded up."""
    fast = goal.space.fast
    units_TD: NDArray[np.floating] = goal.units_TD.astype(fast, copy=False)
    weights_T: NDArray[np.floating] = goal.weights_T.astype(fast, copy=False)
    covered_T: NDArray[np.floating] = (goal.covered_T * (1 - SLACK)).astype(fast, copy=False)
    sums_B = np.empty(len(ids_B))
    for start in range(0, len(ids_B), PASS_ROWS):
        rows = slice(start, start + PASS_ROWS)
        cosines_BT = goal.space.facing(units_BD[rows]) @ units_TD.T
        cosines_BT += COSINE_SLACK
        similar_BT = goal.kernel(cosines_BT)
        similar_BT[goal.own(ids_B[rows])] = 0
        similar_BT -= covered_T
        np.maximum(similar_BT, 0, out=similar_BT)
        sums_B[rows] = similar_BT @ weights_T
    return sums_B * (1 + SLACK)

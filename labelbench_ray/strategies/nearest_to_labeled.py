"""SEALS: another strategy among the neighbors of the labeled rows (Coleman et al. 2022)."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from labelbench_ray.strategies import Want
from labelbench_ray.strategies._ranking import best_rows, subkey
from labelbench_ray.strategies._wrapper import Wrapper
from labelbench_ray.types import Ask, Block, Floats, Ids, PoolView, Shard

Scalar = TypeVar("Scalar", bound=np.generic)
CHUNK = 1024
"""Labeled rows that are compared with a block of the pool at once."""
ROUNDING = 1e-6
"""Distances that differ by less than this share of what they are made of are equal: copies of a row tie."""


class NearestToLabeled(Wrapper):
    """Lets `strategy` choose among the `neighbors` unlabeled rows nearest to each labeled one (Euclidean, exact).

    Rows as near as the last of them count too. The paper takes the neighbors of a row once, when it is labeled; here
    they are taken among the rows still unlabeled. Where the candidates are fewer than the budget, the rows nearest to
    any labeled one join them; without labels all rows are candidates.
    """

    wants: ClassVar[tuple[Want, ...]] = ("embeddings", "labels")
    labels_as_places: ClassVar[bool] = True
    cost: ClassVar[str] = "N·D·L twice, and that of its strategy on the neighbors"
    guarantee: ClassVar[str] = "exact neighbors, taken anew every round"
    source: ClassVar[str] = (
        "Coleman et al., *Similarity Search for Efficient Active Learning and Search of Rare Concepts* (SEALS), "
        "AAAI 2022, [2007.00077](https://arxiv.org/abs/2007.00077)"
    )
    neighbors: PositiveInt = 100

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if not len(view.labeled_L) or self.neighbors >= view.num_unlabeled:
            return self._choose_among(view, budget, subkey(key, "strategy"), ask)
        ids_U, near_U = view.open_ids(), self._near(view)
        ids_C = ids_U[near_U]
        if len(ids_C) < budget:
            rest = view.only(ids_U[~near_U])
            closeness = partial(_closeness, labeled_LD=view.embeddings(np.sort(view.labeled_L)))
            joined = best_rows(rest, budget - len(ids_C), subkey(key, "joined"), closeness)
            ids_C = np.concatenate([ids_C, joined.ids_C])
        return self._choose_among(view.only(ids_C), budget, subkey(key, "strategy"), ask)

    def _near(self, view: PoolView) -> NDArray[np.bool_]:
        near_U = np.zeros(view.num_unlabeled, np.bool_)
        for ids_L in _chunks(np.sort(view.labeled_L)):
            labeled_LD = view.embeddings(ids_L)
            # What is kept of the first pass are distances only, and how far the last neighbor lies; which rows lie
            # within, ties included, is seen in the second.
            nearest = view.map(partial(_nearest, labeled_LD=labeled_LD, neighbors=self.neighbors))
            reach_L = _smallest(np.hstack(nearest), self.neighbors).max(axis=1)
            near_U |= np.concatenate(view.map(partial(_within, labeled_LD=labeled_LD, reach_L=reach_L)))
        return near_U


def _chunks(rows_LX: NDArray[Scalar]) -> Iterator[NDArray[Scalar]]:
    for start in range(0, len(rows_LX), CHUNK):
        yield rows_LX[start : start + CHUNK]


def _distances(labeled_LD: Floats, block: Block) -> Floats:
    """(L, B) halved squared Euclidean distances, less a number for each labeled row."""
    center_D = labeled_LD.mean(axis=0)  # near zero, products lose fewer digits
    centered_BD = block.embeddings_BD - center_D
    squares_B = np.einsum("bd,bd->b", centered_BD, centered_BD)
    distances_LB: Floats = squares_B / 2 - (labeled_LD - center_D) @ centered_BD.T
    return distances_LB


def _nearest(shard: Shard, labeled_LD: Floats, neighbors: int) -> Floats:
    nearest_LC = np.empty((len(labeled_LD), 0), np.float32)
    for block in shard.candidates():
        nearest_LC = _smallest(np.hstack([nearest_LC, _distances(labeled_LD, block)]), neighbors)
    return nearest_LC


def _smallest(distances_LC: Floats, count: int) -> Floats:
    if count >= distances_LC.shape[1]:
        return distances_LC
    smallest_LC: Floats = np.partition(distances_LC, count - 1, axis=1)[:, :count].copy()
    return smallest_LC


def _within(shard: Shard, labeled_LD: Floats, reach_L: Floats) -> NDArray[np.bool_]:
    squares_L = np.square(labeled_LD - labeled_LD.mean(axis=0)).sum(axis=1)
    beyond_L1 = (reach_L + ROUNDING * (np.abs(reach_L) + squares_L))[:, None]
    within = [(_distances(labeled_LD, block) <= beyond_L1).any(axis=0) for block in shard.candidates()]
    return np.concatenate([np.empty(0, np.bool_), *within])


def _closeness(block: Block, labeled_LD: Floats) -> NDArray[np.float64]:
    """(B,) -half the squared distance to the nearest labeled row."""
    nearest_B = np.full(len(block.ids_B), np.inf)
    for chunk_LD in _chunks(labeled_LD):
        center_D = chunk_LD.mean(axis=0)
        offsets_L = np.square(chunk_LD - center_D, dtype=np.float64).sum(axis=1) / 2
        np.minimum(nearest_B, (_distances(chunk_LD, block) + offsets_L[:, None]).min(axis=0), out=nearest_B)
    return -nearest_B

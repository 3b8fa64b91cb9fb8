"""Squared distances from the rows of a pool to their nearest chosen center, kept lazily and exactly.

Distances to the nearest center only shrink as centers are added, so a stale one is an upper bound. Strategies draw or
pick among few rows with those bounds, and have the shards bring many rows up to date by matrix products only when that
pays. A row is a rank-one tensor of one or two factors (its embedding; or the two factors of its gradient), so that

    <g_i, g_j> = prod_f <f_i, f_j>        |g_i - g_j|^2 = |g_i|^2 + |g_j|^2 - 2 <g_i, g_j>

and a gradient embedding of K * D numbers is never built (credited by BADGE's authors to LabelBench's appendix).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import passes
from labelbench_ray.types import Block, Ids, PoolView, Shard

Factors = tuple[NDArray[Any], ...]
Factorize = Callable[[Block], Factors]
"""A block -> one or two arrays with a row for each of the block's rows."""

CENTERS_AT_ONCE = 512
"""Bounds the transient (rows of a block x centers) of a matrix product."""
ZERO = {4: 2.0**-18, 8: 2.0**-40}
"""By the bytes of a number: squared distances below this share of the squared norms are rounding errors of equal rows.
"""


@dataclass(frozen=True, eq=False)
class Points:
    """Rows by their factors, float32 or float64: arrays, or tensors on a device, where the products are made then."""

    factors: Factors

    @cached_property
    def norms_B(self) -> NDArray[Any]:
        """(B,) squared norms, of the factors' dtype."""
        return reduce(mul, map(passes.squared_norms, self.factors))

    def __len__(self) -> int:
        return len(self.factors[0])

    def __getitem__(self, rows: slice | NDArray[Any]) -> "Points":
        return Points(tuple(factor[rows] for factor in self.factors))

    def squared_distances(self, centers: "Points") -> NDArray[Any]:
        """(B, C) squared distances; what rounding makes of equal rows is 0."""
        distances_BC = reduce(
            mul, (mine @ theirs.T for mine, theirs in zip(self.factors, centers.factors, strict=True))
        )
        distances_BC *= -2
        norms_BC = self.norms_B[:, None] + centers.norms_B
        distances_BC += norms_BC
        norms_BC *= ZERO[norms_BC.itemsize]
        distances_BC[distances_BC < norms_BC] = 0
        return distances_BC

    def nearest(self, centers: "Points") -> NDArray[Any]:
        """(B,) array: squared distance of each row to the nearest of the centers; infinity where there is none."""
        nearest_B = np.full(len(self), np.inf, centers.norms_B.dtype)
        if not isinstance(self.norms_B, np.ndarray):
            centers = Points(tuple(map(passes.beside, centers.factors, self.factors)))
        for start in range(0, len(centers), CENTERS_AT_ONCE):
            distances_BC = self.squared_distances(centers[start : start + CENTERS_AT_ONCE])
            np.minimum(nearest_B, passes.array(passes.row_minimum(distances_BC)), out=nearest_B)
        return nearest_B


def join(parts: list[Points]) -> Points:
    """All rows, in order."""
    return Points(tuple(np.concatenate(factors) for factors in zip(*(part.factors for part in parts), strict=True)))


def fetch(view: PoolView, factorize: Factorize, ids_C: Ids) -> Points:
    """These rows of the pool, in the order asked for."""
    found = [item for items in view.map(partial(_fetch, ids_C=ids_C, factorize=factorize)) for item in items]
    places_C = np.searchsorted(np.concatenate([ids_B for ids_B, _ in found]), ids_C)
    return join([points for _, points in found])[places_C]


def nearest(view: PoolView, factorize: Factorize, rows_U: NDArray[np.bool_], centers: Points) -> NDArray[Any]:
    """(R,) squared distance to the nearest of these centers, for those of the open rows where `rows_U` is true.

    Raises:
        ValueError: a distance is NaN or infinite.
    """
    ends = np.cumsum(view.map(_size))[:-1]
    found = view.map(partial(_nearest, factorize=factorize, centers=centers), np.split(rows_U, ends))
    nearest_R = np.concatenate(found)
    if not np.isfinite(nearest_R).all():
        row = view.open_ids()[rows_U][~np.isfinite(nearest_R)][0]
        raise ValueError(
            f"embeddings: the squared distance of row {row} to another is {nearest_R[~np.isfinite(nearest_R)][0]}; "
            "they must be finite, and small enough to be squared in float32 (below 1e18)"
        )
    return nearest_R


def _nearest(shard: Shard, rows_U: NDArray[np.bool_], factorize: Factorize, centers: Points) -> NDArray[Any]:
    found = [Points(factorize(block)).nearest(centers) for block in shard.candidates(rows_U)]
    return np.concatenate([np.empty(0, centers.norms_B.dtype), *found])


def _fetch(shard: Shard, ids_C: Ids, factorize: Factorize) -> list[tuple[Ids, Points]]:
    return [(block.ids_B, Points(tuple(map(passes.array, factorize(block))))) for block in shard.among(ids_C)]


def _size(shard: Shard) -> int:
    return int(shard.open_S.sum())

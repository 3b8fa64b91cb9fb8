"""What is known of all rows in BAIT's greedy: their weights, and s and t by float32 products in their shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._bait_ahead import Places
from labelbench_ray.strategies._bait_design import Doubles, uncertainty
from labelbench_ray.types import Block, Floats, Ids, Shard


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows that may be chosen, in the shards' order: where each shard begins, signed weights, tie hashes."""

    ids_U: Ids
    starts: Places
    weights_U: Doubles
    hashes_U: NDArray[np.uint64]

    def split(self, values_U: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """One array a shard."""
        return np.split(values_U, self.starts)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """1 + w s and w t of rows, which change by w times what s and t do; their quotient is the gain."""

    whole_U: Doubles
    pull_U: Doubles

    def gains(self) -> Doubles:
        """By how much each row lowers the objective."""
        return self.pull_U / np.maximum(self.whole_U, np.finfo(np.float64).eps)


def blocks_of(shard: Shard) -> Iterator[tuple[Block, slice]]:
    """The blocks of the rows that may be chosen, and where each lies among them."""
    start = 0
    for block in shard.candidates():
        yield block, slice(start, start := start + len(block.ids_B))


def fresh_terms(shard: Shard, weights_U: Doubles, both: tuple[Floats, ...]) -> Terms:
    """The terms of a shard's rows, by triangular roots of A and of A F A."""
    lower_DD, upper_DD = both
    s_U, t_U = np.empty_like(weights_U), np.empty_like(weights_U)
    for block, part in blocks_of(shard):
        s_U[part] = _squares(lower_DD, block.embeddings_BD, lower=True)
        t_U[part] = _squares(upper_DD, block.embeddings_BD, lower=False)
    return Terms(1 + weights_U * s_U, weights_U * t_U)


def _squares(root_DD: Floats, rows_BD: Floats, *, lower: bool) -> Floats:
    """(B,) |root h|^2 for a triangular root, in half of a full matrix's products."""
    from scipy.linalg.blas import strmm

    made_DB = strmm(1.0, root_DD, rows_BD.T, lower=lower)
    squares_B: Floats = np.einsum("db,db->b", made_DB, made_DB)
    return squares_B


def joined(parts: Sequence[Terms]) -> Terms:
    """The terms of a pool whose shards have these."""
    return Terms(
        np.concatenate([np.empty(0), *(part.whole_U for part in parts)]),
        np.concatenate([np.empty(0), *(part.pull_U for part in parts)]),
    )


def weights_of(shard: Shard) -> Doubles:
    """(U,) the weight of each row of a shard that may be chosen."""
    return np.concatenate([np.empty(0), *(uncertainty(block.probabilities_BK) for block in shard.candidates())])

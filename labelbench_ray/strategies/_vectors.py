"""Embeddings as unit vectors, and keyed samples of a pool's rows."""

from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import Floats, Ids, PoolView, Shard

Real = TypeVar("Real", np.float32, np.float64)


def unit(rows_BD: Floats, dtype: type[Real]) -> NDArray[Real]:
    """(B, D + 1) rows of length 1; a zero row points along an axis of its own, so that it is like zero rows only."""
    lengths_B = np.sqrt(np.einsum("bd,bd->b", rows_BD, rows_BD, dtype=np.float64))
    units = np.zeros((len(rows_BD), rows_BD.shape[1] + 1), dtype)
    np.divide(rows_BD, np.where(lengths_B > 0, lengths_B, 1)[:, None], out=units[:, :-1], casting="same_kind")
    units[:, -1] = lengths_B == 0
    return units


def sample(view: PoolView, count: int, key: int, open_only: bool = False) -> Ids:
    """Ascending ids of `count` uniform rows (all, if they are fewer), the same on any number of shards."""
    ids_C = np.concatenate(view.map(partial(_sample_shard, count=count, key=key, open_only=open_only)))
    return np.sort(_smallest_hashes(ids_C, count, key))


def _sample_shard(shard: Shard, count: int, key: int, open_only: bool) -> Ids:
    return _smallest_hashes(shard.open_ids if open_only else shard.ids_S, count, key)


def _smallest_hashes(ids_C: Ids, count: int, key: int) -> Ids:
    return ids_C if len(ids_C) <= count else ids_C[np.argpartition(tie_hash(key, ids_C), count)[:count]]

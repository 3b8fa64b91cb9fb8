"""Uniform samples of rows that do not depend on the pool's order or sharding: the smallest keyed hashes."""

from collections.abc import Callable
from functools import partial

import numpy as np

from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import Ids, PoolView, Shard


def sample(ids: Ids, key: int, count: int) -> Ids:
    """The `count` ids (all, if they are fewer) with the smallest hashes, in the order of their hashes."""
    hashes = tie_hash(key, ids)
    if count < len(ids):
        kept = hashes <= np.partition(hashes, count)[count]
        ids, hashes = ids[kept], hashes[kept]
    return ids[np.argsort(hashes)[:count]]


def every_row(shard: Shard) -> Ids:
    """The shard's ids, whether they may be chosen or not."""
    return shard.ids_S


def open_rows(shard: Shard) -> Ids:
    """The ids that may be chosen."""
    return shard.open_ids


def open_or_labeled(shard: Shard) -> Ids:
    """The ids that may be chosen, and the labeled ones: all but those that `PoolView.only` leaves out."""
    return shard.ids_S[shard.open_S | shard.labeled_S]


def sample_of_pool(view: PoolView, key: int, count: int, among: Callable[[Shard], Ids] = every_row) -> Ids:
    """(count,) ids of these rows of the pool (all, if they are fewer), in the order of their hashes."""
    parts = view.map(partial(_sample_of_shard, key=key, count=count, among=among))
    return sample(np.concatenate(parts), key, count)


def _sample_of_shard(shard: Shard, key: int, count: int, among: Callable[[Shard], Ids]) -> Ids:
    return sample(among(shard), key, count)

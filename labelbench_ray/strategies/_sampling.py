"""Uniform samples of rows that do not depend on the pool's order or sharding: the smallest keyed hashes."""

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


def sample_of_pool(view: PoolView, key: int, count: int) -> Ids:
    """(count,) ids of rows of the pool, whether they may be chosen or not."""
    return sample(np.concatenate(view.map(partial(_sample_of_shard, key=key, count=count))), key, count)


def _sample_of_shard(shard: Shard, key: int, count: int) -> Ids:
    return sample(shard.ids_S, key, count)

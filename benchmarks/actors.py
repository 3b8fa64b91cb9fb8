"""Wall seconds of choosing over scorer actors: two against one, on the same store."""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from pools import Pool, opened
from threadpoolctl import threadpool_limits

from labelbench_ray import strategies
from labelbench_ray.cluster.scorers import Scorers
from labelbench_ray.cluster.session import connected
from labelbench_ray.datasets import SPLITS
from labelbench_ray.embeddings.shards import ShardRows
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import ONE_THREAD
from tests.samples import write_store

SHARD_ROWS = 1 << 16
REPEATS = 3


def measure_actors(place: Path, names: list[str], budget: int) -> dict[str, Any]:
    """Medians of three calls after one that maps the files; the driver has a thread of its own, mostly waiting."""
    os.environ.update(ONE_THREAD)
    pool = opened(place, mapped=True)
    store = store_of(place / "store", pool)
    with threadpool_limits(1), connected(None):
        one, two = (seconds_with(actors, store, pool, names, budget) for actors in (1, 2))
    return {
        name: {"ratio": two[name] / one[name], "wall_seconds_one": one[name], "wall_seconds_two": two[name]}
        for name in names
    }


def seconds_with(actors: int, store: EmbeddingStore, pool: Pool, names: list[str], budget: int) -> dict[str, float]:
    """Median wall seconds of each strategy over so many actors."""
    scorers = Scorers(store, actors)
    try:
        view = scorers(pool.model, pool.labeled_L, pool.truth_N[pool.labeled_L])
        found = {}
        for name in names:
            seconds = []
            for _ in range(1 + REPEATS):
                start = time.perf_counter()
                strategies.create(name).select(view, budget, np.random.default_rng(0), ask=pool.ask)
                seconds.append(time.perf_counter() - start)
            found[name] = statistics.median(seconds[1:])
            print(f"select {actors} actors {name}: {found[name]:.3g} s", file=sys.stderr)
    finally:
        scorers.close()
    return found


def store_of(directory: Path, pool: Pool) -> EmbeddingStore:
    """The pool as a finished store, which needs a few rows of the other splits too."""
    if (directory / "manifest.json").is_file():
        return EmbeddingStore.open(directory)
    splits = {
        split: (_shard(pool, slice(start, min(start + SHARD_ROWS, rows))) for start in range(0, rows, SHARD_ROWS))
        for split, rows in zip(SPLITS, (len(pool.truth_N), 10, 10), strict=True)
    }
    classes = tuple(str(number) for number in range(pool.model.num_classes))
    return write_store(directory, splits, classes=classes, dimensions=pool.embeddings_ND.shape[1])


def _shard(pool: Pool, rows: slice) -> ShardRows:
    return ShardRows(
        [f"{row:09d}" for row in range(rows.start, rows.stop)],
        pool.truth_N[rows],
        np.array(pool.embeddings_ND[rows], np.float16),
        {},
    )

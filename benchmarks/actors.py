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
from labelbench_ray.embeddings.manifests import Manifest
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows, shard_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.storage.atomic import publish

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
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    entries = [
        _shard(directory, pool, split, number, slice(start, min(start + SHARD_ROWS, rows)))
        for split, rows in zip(SPLITS, (len(pool.truth_N), 10, 10), strict=True)
        for number, start in enumerate(range(0, rows, SHARD_ROWS))
    ]
    manifest = Manifest(
        key=directory.name,
        dataset={},
        encoder={},
        signature="",
        weights="",
        preprocessing="",
        compute="numpy",
        classes=tuple(str(number) for number in range(pool.model.num_classes)),
        dimensions=pool.embeddings_ND.shape[1],
        rejects=0,
        seconds=0,
        shards=tuple(entries),
    )
    publish(directory / "manifest.json", manifest.model_dump_json().encode())
    return EmbeddingStore.open(directory)


def _shard(directory: Path, pool: Pool, split: str, number: int, rows: slice) -> ShardEntry:
    shard = ShardRows(
        [f"{row:09d}" for row in range(rows.start, rows.stop)],
        pool.truth_N[rows],
        np.array(pool.embeddings_ND[rows], np.float16),
        {},
    )
    publish(directory / ShardId(split, number).file, shard_bytes(shard, "recipe", "numpy"))
    return ShardEntry(split=split, number=number, rows=rows.stop - rows.start, sha256=shard.sha256())

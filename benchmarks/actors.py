"""Choosing over scorer actors: wall seconds of two against one on the same store, messages, and CPU seconds."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import cloudpickle
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
from labelbench_ray.types import PoolView, Result
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
        | exchanged(pool, name, budget)
        for name in names
    }


@dataclass
class Exchange:
    """Calls of scorers, the bytes of their arguments and answers, and the CPU seconds of computing the answers."""

    calls: int = 0
    sent: int = 0
    returned: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class CountingView(PoolView):
    """A view that computes in this process what scorers would, with every argument and answer pickled as Ray does."""

    exchange: Exchange = field(kw_only=True)

    def map(self, function: Callable[..., Result], *each: Sequence[Any]) -> list[Result]:
        """As `PoolView.map`."""
        results: list[Result] = []
        for shard, *items in zip(self.shards, *each, strict=True):
            self.exchange.calls += 1
            self.exchange.sent += len(cloudpickle.dumps((function, items)))
            start = time.process_time()
            results.append(function(shard, *items))
            self.exchange.cpu_seconds += time.process_time() - start
            self.exchange.returned += len(cloudpickle.dumps(results[-1]))
        return results


def exchanged(pool: Pool, name: str, budget: int, scorers: int = 2) -> dict[str, float]:
    """What a round of a strategy sends over so many scorers; a call is a message there and one back."""
    view, exchange = pool.mapped(scorers), Exchange()
    given = {each.name: getattr(view, each.name) for each in fields(PoolView)}
    start = time.process_time()
    chosen = CountingView(**given, exchange=exchange)
    strategies.create(name).select(chosen, budget, np.random.default_rng(0), ask=pool.ask)
    return {
        "calls_a_scorer": exchange.calls / scorers,
        "mib_sent": exchange.sent / 2**20,
        "mib_returned": exchange.returned / 2**20,
        "scorers_cpu_seconds": exchange.cpu_seconds,
        "driver_cpu_seconds": time.process_time() - start - exchange.cpu_seconds,
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

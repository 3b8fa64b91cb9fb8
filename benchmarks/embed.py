"""Embedding through Ray Data against bare processes, on the same 10,000 CIFAR-10 images, in the same run.

.venv/bin/python benchmarks/embed.py --data-root DIR [--rows 10000] [--repeats 2]

Measured: rows per second of EfficientNet-Lite0 at 96 px through `cluster.embed.RayEmbedder` (Ray Data: tasks that
read, decode and resize; one embedding actor a core; shards written to disk), and through bare processes without Ray,
one a core, started by `multiprocessing` (spawn), one thread each, that read, decode, resize and embed the same rows and
write nothing.

What makes it fair. Both get the same shards of 1,024 rows; a bare process takes the next from a queue when it is done
with one, as an actor does. Both clocks start when the first shard is finished, so that starting Ray, spawning,
imports and making the network count on neither side (with Ray it is the shard file's own time, not when the driver
receives it), and stop when the last row is done (with Ray: when the driver knows). The first shard's rows are not
counted. At that moment the other cores are within a shard of their own, and at the end they may wait for the last
one: both sides alike. Only Ray's readers may be ahead by then (decoding is about a fifth of the work); more rows make
that matter less. Ray is shut down before the bare processes start. The two alternate `repeats` times, and the
median of the pairs' ratios is the answer, so that a slow minute of the machine falls on both. The bare processes are
the limit. With more than five cores, raise --rows: there should be several shards to a core.
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from command import Places, environment, not_provided
from machine import CORES, parser, show, show_skipped
from pydantic import PositiveInt
from study import STUDY

from labelbench_ray.cluster.embed import RayEmbedder
from labelbench_ray.cluster.session import connected
from labelbench_ray.datasets import Source
from labelbench_ray.datasets.cifar10 import Cifar10
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.manifests import SHARD_ROWS
from labelbench_ray.encoders import Encoder
from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.planning.experiment import load
from labelbench_ray.trial.parts import Parts, build

TARGET_RATIO = 0.85


class First(Cifar10):
    """So many rows: one each of validation and test, which a store needs, the others of the pool."""

    rows: PositiveInt

    def load(self, root: Path) -> Source:
        source = super().load(root)
        kept = {"pool": self.rows - 2, "validation": 1, "test": 1}
        splits = {
            name: replace(split, rows=np.asarray(split.rows)[: kept[name]]) for name, split in source.splits.items()
        }
        return replace(source, splits=splits)


@dataclass(frozen=True, slots=True)
class Timing:
    """Rows per second after the first shard, and seconds from the start to the end of everything."""

    rows_per_second: float
    wall_seconds: float


def main() -> None:
    """Alternate both and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--repeats", type=int, default=2)
    arguments = options.parse_args()
    if why := not_provided(STUDY, arguments.data_root):
        show_skipped("embed", why)
        return
    os.environ.update(ONE_THREAD)
    parts = replace(build(load(STUDY).trials[0]), dataset=First(rows=arguments.rows))
    root = arguments.data_root.resolve()
    pairs = [(with_ray(parts, root), bare(parts, root)) for _ in range(arguments.repeats)]
    ratios = [ours.rows_per_second / theirs.rows_per_second for ours, theirs in pairs]
    ratio = statistics.median(ratios)
    measured = {
        "rows": arguments.rows,
        "ratio": ratio,
        "ratios": ratios,
        "rows_per_second_ray": [ours.rows_per_second for ours, _ in pairs],
        "rows_per_second_bare": [theirs.rows_per_second for _, theirs in pairs],
        "wall_seconds_ray": [ours.wall_seconds for ours, _ in pairs],
        "wall_seconds_bare": [theirs.wall_seconds for _, theirs in pairs],
    }
    show("embed", measured, {"ratio_at_least": TARGET_RATIO}, met=ratio >= TARGET_RATIO)


def with_ray(parts: Parts, root: Path) -> Timing:
    """Embed into a fresh store on a Ray of its own."""
    ended: list[float] = []
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder, connected(None):
        where = Places(root, Path(folder) / "runs", Path(folder) / "store")
        store = complete_store(
            parts.store_recipe, None, environment(where), RayEmbedder(), lambda done, total: ended.append(time.time())
        )
        shards = {entry: (store.directory / entry.file).stat().st_mtime for entry in store.manifest.shards}
    return timing(started, [(shards[entry], entry.rows) for entry in shards], ended[-1])


def bare(parts: Parts, root: Path) -> Timing:
    """Embed in bare processes, one a core."""
    source = parts.dataset.open(root)
    work = [(name, first) for name, split in source.splits.items() for first in range(0, len(split), SHARD_ROWS)]
    context = multiprocessing.get_context("spawn")
    pending, finished = context.Queue(), context.Queue()
    for item in [*work, *[None] * CORES]:
        pending.put(item)
    started = time.time()
    processes = [
        context.Process(target=embed_shards, args=(parts.encoder, source, pending, finished)) for _ in range(CORES)
    ]
    for process in processes:
        process.start()
    shards = [finished.get() for _ in work]
    for process in processes:
        process.join()
    return timing(started, shards, max(moment for moment, _ in shards))


def embed_shards(encoder: Encoder, source: Source, pending: Any, finished: Any) -> None:  # noqa: ANN401  queues
    """What a bare process does."""
    network = encoder.load("cpu")
    while (item := pending.get()) is not None:
        name, first = item
        records = source.splits[name].read(first, first + SHARD_ROWS)
        embeddings_BD = network.embed(np.stack([encoder.decode(payload) for payload in records.payloads]))
        finished.put((time.time(), len(embeddings_BD.astype(np.float16))))


def timing(started: float, shards: list[tuple[float, int]], ended: float) -> Timing:
    """From (moment, rows) of every finished shard."""
    first = min(shards)
    rows = sum(rows for _, rows in shards) - first[1]
    return Timing(rows / (ended - first[0]), ended - started)


if __name__ == "__main__":
    main()

"""CPU seconds of embedding many tiny rows through Ray Data against a bare loop that does the same work.

.venv/bin/python benchmarks/embed_tiny.py [--rows 100000] [--repeats 1] [--tiny]

Measured: CPU seconds of `pixels` on made-up rows (PNGs of 8 x 8), from the first finished shard to the last one, over
the rows after the first shard. With Ray: all processes that this one has started, Ray's servers and workers that still
start included; and, as `reported`, what shards report (readers and actors) with the driver's own CPU. Bare: one process
reads, decodes, embeds, hashes and writes the same shards by our own functions, without marks, child processes and
queues. The two alternate `repeats` times; the medians of the pairs' ratios count.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import parser, show
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.cluster.embed import RayEmbedder
from labelbench_ray.cluster.session import connected
from labelbench_ray.costs import cpu_seconds
from labelbench_ray.datasets import Records, Rows, Source, Split
from labelbench_ray.embeddings.decoding import decode_shard
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, all_shards, embed_shard, read_records
from labelbench_ray.embeddings.manifests import SHARD_ROWS
from labelbench_ray.encoders.pixels import Pixels

MOST_RATIO = 2.5
PICTURES = 500


@dataclass(frozen=True, slots=True)
class Repeated:
    """So many rows, each one of a few pictures."""

    pictures: tuple[bytes, ...]
    rows: int

    def __len__(self) -> int:
        return self.rows

    def read(self, rows: Rows) -> Records:
        """The rows of these numbers."""
        numbers = [int(row) for row in rows]
        payloads = [self.pictures[row % len(self.pictures)] for row in numbers]
        return Records([f"{row:08d}" for row in numbers], payloads, self.labels(rows))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return np.asarray(rows, np.int64) % 10


def main(given: Sequence[str] | None = None) -> None:
    """Time both and show."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--repeats", type=int, default=1)
    options.add_argument("--tiny", action="store_true", help="few rows: the figures mean nothing")
    arguments = options.parse_args(given)
    if arguments.tiny:
        arguments.rows = 3 * SHARD_ROWS
    source = made_up(arguments.rows)
    pairs = [(with_ray(source), bare(source)) for _ in range(arguments.repeats)]
    ratio, reported = (statistics.median(ours[kind] / theirs for ours, theirs in pairs) for kind in range(2))
    measured = {
        "rows": arguments.rows,
        "ratio": ratio,
        "ratio_reported": reported,
        "cpu_microseconds_a_row_ray": [1e6 * ours[0] for ours, _ in pairs],
        "cpu_microseconds_a_row_reported": [1e6 * ours[1] for ours, _ in pairs],
        "cpu_microseconds_a_row_bare": [1e6 * theirs for _, theirs in pairs],
    }
    show("embed_tiny", measured, {"ratio_at_most": MOST_RATIO}, met=ratio <= MOST_RATIO)


def made_up(rows: int) -> Source:
    """A pool of tiny pictures."""
    generator = np.random.default_rng(0)
    pictures = []
    for pixels_HW in generator.integers(0, 256, (PICTURES, 8, 8), dtype=np.uint8):
        Image.fromarray(pixels_HW).save(file := io.BytesIO(), "PNG")
        pictures.append(file.getvalue())
    table = Repeated(tuple(pictures), rows)
    return Source(tuple("0123456789"), {"pool": Split(table, np.arange(rows))}, "made up")


def job_in(folder: str) -> EmbeddingJob:
    """A job that writes there."""
    (Path(folder) / "shards").mkdir()
    return EmbeddingJob(Pixels(), Path(folder), "recipe", "cpu", SHARD_ROWS)


def with_ray(source: Source) -> tuple[float, float]:
    """CPU seconds a row: of all processes, and as reported."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder, connected(None):
        shards = all_shards(source, SHARD_ROWS)
        return a_row(RayEmbedder().shards(job_in(folder), source, shards))


def a_row(made: Iterator[EmbeddedShard]) -> tuple[float, float]:
    """CPU seconds a row after the first shard: of all processes, and of shards and this process."""
    next(made)
    rows, spent, start, everything = 0, 0.0, time.process_time(), family_seconds()
    for shard in made:
        rows += shard.entry.rows
        spent += shard.spent.cpu
    return (family_seconds() - everything) / rows, (spent + time.process_time() - start) / rows


def family_seconds() -> float:
    """CPU seconds of this process and of all that it started, with those that ended and were waited for."""
    parents, seconds = {}, {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(folder.name)
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[pid] = int(fields[1])
            seconds[pid] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    family, found = {os.getpid()}, 0
    while found < len(family):
        found = len(family)
        family |= {pid for pid, parent in parents.items() if parent in family}
    return sum(seconds.get(pid, 0.0) for pid in family)


def bare(source: Source) -> float:
    """CPU seconds a row."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        job = job_in(folder)
        network, rows, start = job.encoder.load("cpu"), 0, cpu_seconds()
        for number, shard in enumerate(all_shards(source, SHARD_ROWS)):
            if number == 1:
                rows, start = 0, cpu_seconds()
            decoded = decode_shard(read_records(source, shard, SHARD_ROWS), job.encoder)
            rows += embed_shard(decoded, network, job, shard).entry.rows
        return (cpu_seconds() - start) / rows


if __name__ == "__main__":
    main()

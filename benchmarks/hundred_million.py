"""What a pool of 100 million rows needs, part by part, measured at smaller sizes.

.venv/bin/python benchmarks/hundred_million.py [PART ...] [--rows N] [--finished F] [--shards S] [--stretches N N N]
                                               [--tiny]

The parts (default: all); each states what issue 14 asks for:

random   `random` chooses 1,000 of N rows (default 4,000,000): memory beyond the pool's, and the exponent of the CPU
         seconds over N/16, N/4 and N rows
keys     the keys of N rows in shards of 1,024 rows are distinct: peak memory over 8 bytes a row, and CPU seconds
scorers  a round over two scorers of N rows: bytes that a trial sends to choose 1,000 rows by `margin`, with
         1,000 labels, and for measuring the proxy on the pool. Ray is not started: what it would send is pickled and
         counted, once for each scorer
resume   a killed embedding finds its F finished shards (default 4,000) of 1,024 rows x 128: CPU milliseconds a shard by
         their footers, and by reading and checking all of each
manifest  a store of S shards (default 100,000) is opened: CPU seconds and memory by its side file, and
          when that is missing and made again
simulation  keys, resume, overlaps and manifest (parts of the driver), the first and the next scorer of a machine
            that owns all rows and lays them out, and choosing 1,000 rows of 16 dimensions by `random`, `margin`,
            `badge` and `coreset`, each at the `--stretches` (the manifest at multiples of them, so that it has a side
            file); exponents fitted to them, projections to 100 million rows, and what breaks first: the part nearest
            to 128 GiB or to a day of CPU time.
            The default is 0.5, 2 and 8 million rows: about two minutes of CPU. `--stretches 4000000 16000000 64000000`
            takes eight times as long, 8 GB of disk and 8 GB of memory. A part that would outgrow the machine's
            memory is left out, and named.

Memory is the growth of this process's private memory at its peak over what it held before (`RssAnon`, sampled 500 times
a second): pages of memory-mapped files, which the system takes back at any time, do not count. `--tiny` shows that
every part runs.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import wired
from machine import parser, show
from private_memory import used
from projection import Calls, simulated
from selection import exponent

from labelbench_ray import strategies
from labelbench_ray.config import Trial
from labelbench_ray.datasets import Modality
from labelbench_ray.embeddings.contents import HASH_BYTES, RowContents
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, checked_shards, found_shards
from labelbench_ray.embeddings.finished import check_row_ids
from labelbench_ray.embeddings.overlaps import count_overlaps
from labelbench_ray.embeddings.shard_table import FILE as SIDE_FILE
from labelbench_ray.embeddings.shard_table import MANY_SHARDS
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows, rejects_bytes, shard_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.trial.parts import build
from labelbench_ray.types import PoolView

BUDGET = 1000
DIGITS = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=1)
SHARD_ROWS = 1024
STRETCHES = [500_000, 2_000_000, 8_000_000]
LINKS = 1000
TINY = (20_000, 30, 3000, [4096, 8192, 16_384])
"""Rows, finished shards, shards and stretches."""
RANDOM_TARGET = {"extra_mib": 32.0, "exponent": 1.1}
SCORERS_TARGET = {"sent_mb": 1.0}
RESUME_TARGET = {"ms_a_shard": 0.2}
MANIFEST_TARGET = {"first_cpu_seconds": 0.1}
KEYS_TARGET = {"mib_over_hashes": 300.0}


@dataclass(frozen=True, slots=True)
class Part:
    """What a part measured, what is wanted, and whether that is reached."""

    measured: dict[str, Any]
    target: dict[str, Any]
    met: bool


def random(rows: int) -> Part:
    """Choosing by `random`; the embeddings are not read, so that they need not exist."""
    strategy = strategies.create("random")

    def choose(num_rows: int) -> Callable[[], object]:
        raw_ND = np.broadcast_to(np.zeros((1, 8), np.float16), (num_rows, 8))
        weight_DK, bias_K, none = np.zeros((8, 10), np.float32), np.zeros(10, np.float32), np.empty(0, np.int64)
        view = PoolView.from_linear(raw_ND, weight_DK, bias_K, none, none)
        return lambda: strategy.select(view, min(BUDGET, num_rows), np.random.default_rng(0))

    choose(1000)()  # imports
    by_rows = {num_rows: used(choose(num_rows)) for num_rows in (rows // 16, rows // 4, rows)}
    slope = exponent({num_rows: found["cpu_seconds"] for num_rows, found in by_rows.items()})
    extra = by_rows[rows]["extra_mib"]
    met = extra <= RANDOM_TARGET["extra_mib"] and slope <= RANDOM_TARGET["exponent"]
    return Part({"by_rows": by_rows, "exponent": slope}, RANDOM_TARGET, met)


def keys(rows: int) -> Part:
    """The check of keys that closes a store."""
    with checking_keys(rows) as calls:
        found = used(calls["keys"])
    over = found["extra_mib"] - 8 * rows / 2**20
    measured = {"rows": rows, **found, "mib_over_hashes": over}
    return Part(measured, KEYS_TARGET, over <= KEYS_TARGET["mib_over_hashes"])


@contextmanager
def checking_keys(rows: int) -> Iterator[Calls]:
    """The check of the keys of so many rows."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        made = [
            _key_shard(Path(folder), number, first, rows) for number, first in enumerate(range(0, rows, SHARD_ROWS))
        ]
        yield {"keys": lambda: check_row_ids(Path(folder), made)}


def _key_shard(folder: Path, number: int, first: int, rows: int) -> EmbeddedShard:
    """A shard of rows whose keys are 64 bytes long, as paths of files are."""
    row_ids = [
        f"train/class-{row % 1000:04d}/photographs/image-of-the-pool-{row:026d}"
        for row in range(first, min(first + SHARD_ROWS, rows))
    ]
    embeddings_BD = np.zeros((len(row_ids), 1), np.float16)
    data = shard_bytes(ShardRows(row_ids, np.zeros(len(row_ids), np.int64), embeddings_BD, {}), "recipe", "numpy")
    entry = ShardEntry(split="pool", number=number, rows=len(row_ids), sha256="")
    path = folder / entry.file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return EmbeddedShard(entry, 1, "numpy", {}, len(data))


def scorers(rows: int) -> Part:
    """A round over scorers."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        found = {"rows": rows, **wired.one_round(Path(folder), rows, min(BUDGET, rows // 4))}
    return Part(found, SCORERS_TARGET, found["sent_mb"] <= SCORERS_TARGET["sent_mb"])


def resume(finished: int) -> Part:
    """Finding finished shards."""
    with finding(finished * SHARD_ROWS) as calls:
        found, checked = used(calls["resume"]), used(calls["resume when read"])
    milliseconds = 1e3 * found["cpu_seconds"] / finished
    measured = {
        "shards": finished,
        "ms_a_shard": milliseconds,
        "ms_a_shard_when_read": 1e3 * checked["cpu_seconds"] / finished,
    }
    return Part(measured, RESUME_TARGET, milliseconds <= RESUME_TARGET["ms_a_shard"])


@contextmanager
def finding(rows: int) -> Iterator[Calls]:
    """Finding the finished shards of so many rows, and the held-out rows among them; they are links to one file."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        job = EmbeddingJob(build(DIGITS).encoder, Path(folder), "recipe", "cpu", SHARD_ROWS)
        (job.directory / "shards").mkdir()
        shards = [ShardId("pool", number) for number in range(-(-rows // SHARD_ROWS))]
        _link(job.directory, shards)
        held_out = [ShardId(split, 0) for split in ("validation", "test")]
        for shard in held_out:
            (job.directory / shard.file).write_bytes(_shard_of(shard.split))
        entries = [
            ShardEntry(split=each.split, number=each.number, rows=SHARD_ROWS, sha256="", contents="0")
            for each in (*shards, *held_out)
        ]
        (job.directory / "rejects.parquet").write_bytes(rejects_bytes([]))
        yield {
            "resume": partial(found_shards, job, shards),
            "resume when read": partial(checked_shards, job, shards),
            "overlaps": partial(count_overlaps, job.directory, entries, Modality.TEXT),
        }


def _shard_of(split: str) -> bytes:
    """A shard of rows whose contents no other split has."""
    row_ids = [f"{row:064d}" for row in range(SHARD_ROWS)]
    embeddings_BD = np.random.default_rng(0).standard_normal((SHARD_ROWS, 128), np.float32).astype(np.float16)
    contents = RowContents(
        kept="".join(sha256(f"{split} {row}".encode()).hexdigest()[: 2 * HASH_BYTES] for row in range(SHARD_ROWS)),
        rejected={},
    )
    rows = ShardRows(row_ids, np.zeros(SHARD_ROWS, np.int64), embeddings_BD, {}, contents)
    return shard_bytes(rows, "recipe", "numpy")


def _link(directory: Path, shards: Sequence[ShardId]) -> None:
    data, first = _shard_of("pool"), directory
    for number, path in enumerate(directory / shard.file for shard in shards):
        if number % LINKS:
            path.hardlink_to(first)
        else:  # a file has a limit of links
            path.write_bytes(data)
            first = path


@contextmanager
def opening(rows: int) -> Iterator[Calls]:
    """Opening a store of so many rows, by its side file; its shards need not exist."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        yield {"manifest": partial(EmbeddingStore.open, _manifest_of(Path(folder), -(-rows // SHARD_ROWS)))}


@contextmanager
def closing(rows: int) -> Iterator[Calls]:
    """What the driver reads of all shards when it resumes and closes a store."""
    with finding(rows) as calls:
        yield {name: calls[name] for name in ("resume", "overlaps")}


def _manifest_of(folder: Path, shards: int) -> Path:
    entries = [
        ShardEntry(split=split, number=number, rows=SHARD_ROWS, sha256="0" * 64, contents="0" * 64)
        for split, count in {"pool": shards, "validation": 1, "test": 1}.items()
        for number in range(count)
    ]
    directory = folder / "synthetic"
    directory.mkdir()
    wired.write_manifest(directory, entries)
    return directory


def manifest(shards: int) -> Part:
    """Opening a store; its shards need not exist."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        directory = _manifest_of(Path(folder), shards)
        first = used(partial(EmbeddingStore.open, directory))
        (directory / SIDE_FILE).unlink(missing_ok=True)
        without = used(partial(EmbeddingStore.open, directory))
    measured = {
        "shards": shards,
        "first_cpu_seconds": first["cpu_seconds"],
        "extra_mib": first["extra_mib"],
        "without_side_file_cpu_seconds": without["cpu_seconds"],
        "without_side_file_extra_mib": without["extra_mib"],
    }
    return Part(measured, MANIFEST_TARGET, first["cpu_seconds"] <= MANIFEST_TARGET["first_cpu_seconds"])


def simulation(stretches: Sequence[int]) -> Part:
    """All parts at growing sizes, and what they need for 100 million rows."""
    driver = [(checking_keys, 0), (closing, 0), (opening, MANY_SHARDS * SHARD_ROWS)]
    measured = simulated(stretches, driver)
    return Part(measured, {"breaks_first": "nothing"}, not measured["breaks_first"]["breaks"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts asked for and show them."""
    parts: dict[str, Callable[[Any], Part]] = {
        "random": lambda given: random(given.rows),
        "keys": lambda given: keys(given.rows),
        "scorers": lambda given: scorers(given.rows),
        "resume": lambda given: resume(given.finished),
        "manifest": lambda given: manifest(given.shards),
        "simulation": lambda given: simulation(given.stretches),
    }
    options = parser(__doc__)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}")
    options.add_argument("--rows", type=int, default=4_000_000)
    options.add_argument("--finished", type=int, default=4000)
    options.add_argument("--shards", type=int, default=100_000)
    options.add_argument("--stretches", type=int, nargs="+", default=STRETCHES, metavar="N")
    options.add_argument("--tiny", action="store_true", help="every part at a size that shows that it runs")
    given = options.parse_args(arguments)
    if given.tiny:
        given.rows, given.finished, given.shards, given.stretches = TINY
    if unknown := set(given.parts) - set(parts):
        options.error(f"unknown parts: {', '.join(sorted(unknown))}")
    found = {name: parts[name](given) for name in given.parts or parts}
    show(
        "hundred_million",
        {name: part.measured for name, part in found.items()},
        {name: part.target for name, part in found.items()},
        met=all(part.met for part in found.values()),
    )


if __name__ == "__main__":
    sys.exit(main())

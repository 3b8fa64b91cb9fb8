"""Private memory of a trial's processes for each row of the pool: what a plan's estimate is made from.

.venv/bin/python benchmarks/row_memory.py [--strategies NAME ...] [--rows N N ...] [--dimensions D D] [--seconds S]

Every case is a forked process of its own, whose anonymous memory (`RssAnon`: all but pages of files, so that a
memory-mapped pool does not count) is sampled 200 times a second. Its growth over rows is fitted by least squares; the
constant part cancels. The cases:

driver      the check that the keys of all rows are distinct, which closes a store
worker      two rounds of a trial in one process, choosing 1,000 rows each, by each of the strategies
scorer      one scorer that owns all rows and makes them from a store's shards, before a strategy asks for anything

The strategies (default: those that state what was measured for them) run at every width of `--dimensions`, so that
a figure that depends on the width shows. A case that takes more than `--seconds` of CPU is left out and named.
The default takes about five minutes of CPU; `--strategies badge --dimensions 16` takes half a minute.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from machine import parser, show
from private_memory import release
from processes import status_kib

from labelbench_ray import strategies
from labelbench_ray.config import Part, Trial
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.planning.memory import DRIVER_ROW, SCORER_ROW, WORKER_ROW
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.parts import build

ROWS = [500_000, 1_500_000]
STRATEGIES = ["random", "margin", "bald", "class_balanced", "badge", "coreset", "probcover"]
CLASSES, BUDGET, EVALUATED, BLOCK = 10, 1000, 1000, 1 << 18
SAMPLES_A_SECOND = 200
WARM_UP_ROWS = 8192


def worker(rows: int, dimensions: int, strategy: str) -> None:
    """Two rounds of a trial in this process, on a memory-mapped pool."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        splits = {
            name: _split(Path(folder) / name, count, dimensions)
            for name, count in {"pool": rows, "validation": EVALUATED, "test": EVALUATED}.items()
        }
        plain = Standardization(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
        embedded = Embedded(splits, plain, tuple(map(str, range(CLASSES))))
        chosen = Part(name=strategy)
        trial = Trial(
            dataset="digits", encoder="pixels", strategy=chosen, trainer="logistic", seed=0, rounds=2, budget=BUDGET
        )
        built = build(trial)
        header = Header(fingerprint=built.fingerprint, trial=trial, store="", compute="", versions={})
        with Ledger.open(Path(folder) / "trial", header) as ledger:
            list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())


def _split(path: Path, rows: int, dimensions: int) -> SplitArrays:
    rng = np.random.default_rng(0)
    raw_ND = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, dimensions))
    labels_N = np.lib.format.open_memmap(f"{path}-labels", mode="w+", dtype=np.int64, shape=(rows,))
    for start in range(0, rows, BLOCK):
        part = slice(start, start + BLOCK)
        raw_ND[part] = rng.standard_normal(raw_ND[part].shape, np.float32)
        labels_N[part] = rng.integers(0, CLASSES, labels_N[part].shape)
    return SplitArrays(np.load(path, mmap_mode="r"), np.load(f"{path}-labels", mmap_mode="r"))


def driver(rows: int) -> None:
    """The check of all keys that closes a store."""
    from hundred_million import checking_keys

    with checking_keys(rows) as calls:
        calls["keys"]()


def scorer(rows: int) -> None:
    """A scorer opens its rows and lays out a view."""
    from projection import scoring

    with scoring(rows) as calls:
        calls["first scorer"]()


def peak_bytes(case: Callable[[], None], seconds: float) -> int | None:
    """The highest anonymous memory of a case in a process of its own; None if it takes too much CPU time."""
    release()  # also of what the forked process begins with
    process = multiprocessing.get_context("fork").Process(target=case)
    process.start()
    pid, peak = process.pid or 0, 0
    while process.is_alive():
        with suppress(OSError, psutil.Error):  # it has just ended
            peak = max(peak, status_kib("RssAnon", pid))
            times = psutil.Process(pid).cpu_times()
            if times.user + times.system > seconds:
                process.kill()
                process.join()
                return None
        time.sleep(1 / SAMPLES_A_SECOND)
    assert process.exitcode == 0, "the case failed; its error is above"
    return peak * 2**10


def bytes_a_row(name: str, case: Callable[[int], None], rows: list[int], seconds: float) -> float | None:
    """The slope of the peak over rows."""
    peaks = [peak_bytes(partial(case, count), seconds) for count in rows]
    print(f"{name}: {[None if peak is None else round(peak / 2**20) for peak in peaks]} MiB", file=sys.stderr)
    return None if None in peaks else float(np.polyfit(rows, np.array(peaks, float), 1)[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every case and compare with the figures of the estimate."""
    options = parser(__doc__)
    options.add_argument("--strategies", nargs="+", default=STRATEGIES, metavar="NAME")
    options.add_argument("--rows", type=int, nargs="+", default=ROWS, metavar="N")
    options.add_argument("--dimensions", type=int, nargs="+", default=[16, 64], metavar="D")
    options.add_argument("--seconds", type=float, default=60.0, help="of CPU, a case")
    given = options.parse_args(arguments)
    slope = partial(bytes_a_row, rows=given.rows, seconds=given.seconds)
    worker(WARM_UP_ROWS, min(given.dimensions), "random")  # imports, which the forked processes then share
    measured = {case.__name__: slope(case.__name__, case) for case in (driver, scorer)}
    workers = {
        name: slope(f"worker, {name}", partial(worker, dimensions=width, strategy=strategy))
        for strategy in given.strategies
        for width in given.dimensions
        for name in [f"{strategy}, {width} dimensions"]
    }
    estimated = {name: float(WORKER_ROW + strategies.create(name).bytes_per_row) for name in given.strategies}
    limits = {"driver": DRIVER_ROW, "scorer": SCORER_ROW} | {
        case: estimated[case.partition(",")[0]] for case in workers
    }
    found = measured | workers
    show(
        "row_memory",
        {"rows": given.rows, "bytes_a_row": found, "left_out": [case for case, each in found.items() if each is None]},
        {"bytes_a_row_at_most": limits},
        met=all(each is None or each <= limits[case] for case, each in found.items()),
    )


if __name__ == "__main__":
    main()

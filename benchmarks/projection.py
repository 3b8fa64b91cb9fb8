"""The simulation of 100 million rows: parts measured at growing sizes, fitted, and projected."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import wired
from private_memory import used
from selection import exponent

from labelbench_ray import strategies
from labelbench_ray.cluster.scorers import Scorer
from labelbench_ray.pool.blocks import ModelShard
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.types import PoolView

ROWS = 100_000_000
DIMENSIONS, CLASSES, BUDGET = 16, 10, 1000
MACHINE_MIB = 128 * 2**10
"""A worker of 128 GiB: a part that is projected to need more breaks first."""
WARM_UP_ROWS = 8192
DAY = 24 * 3600.0
CHOOSING = ("random", "margin", "badge", "coreset")
LEAST = {"cpu_seconds": 1e-3, "extra_mib": 0.5}
"""What is too small to measure would make any slope: a millisecond, and what a thread has not yet counted."""
Calls = Mapping[str, Callable[[], object]]
"""What is measured, by the name of the part."""
Opened = Callable[[int], AbstractContextManager[Calls]]
"""For a number of rows, a context of the calls."""
Measured = dict[int, dict[str, float]]
"""CPU seconds and extra MiB, by rows."""


@contextmanager
def choosing(rows: int) -> Iterator[Calls]:
    """Choosing by each strategy, in one process, from a memory-mapped pool of random rows."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        path, rng = Path(folder) / "pool.npy", np.random.default_rng(0)
        raw_ND = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, DIMENSIONS))
        for start in range(0, rows, 1 << 18):
            part_BD = raw_ND[start : start + (1 << 18)]
            part_BD[:] = rng.standard_normal(part_BD.shape, np.float32)
        del raw_ND
        weight_DK = rng.standard_normal((DIMENSIONS, CLASSES), np.float32)
        plain = Standardization(np.zeros(DIMENSIONS, np.float32), np.ones(DIMENSIONS, np.float32))
        model = Classifier(plain, ((weight_DK, np.zeros(CLASSES, np.float32)),))

        def choose(name: str) -> object:
            # The view is part of what is measured: ids and masks of all rows.
            labeled_L = np.arange(BUDGET)
            view = PoolView.from_model(np.load(path, mmap_mode="r"), model, labeled_L, labeled_L % CLASSES)
            return strategies.create(name).select(view, min(BUDGET, rows // 4), np.random.default_rng(0))

        yield {name: partial(choose, name) for name in CHOOSING}


@contextmanager
def scoring(rows: int) -> Iterator[Calls]:
    """One scorer that owns all of a store's rows begins, and lays out its shard for a view.

    The first one on a machine makes its rows from the shards; the next ones map them.
    """
    with TemporaryDirectory(prefix="labelbench-") as folder:
        store = wired.synthetic(Path(folder) / "synthetic", rows)
        width = wired.DIMENSIONS
        plain = Standardization(np.zeros(width, np.float32), np.ones(width, np.float32))
        model = Classifier(plain, ((np.ones((width, wired.CLASSES), np.float32), np.zeros(wired.CLASSES, np.float32)),))
        scorer: Any = Scorer
        scorer = scorer.__ray_metadata__.modified_class

        def scored() -> object:
            return scorer(store.directory, 0, rows).apply(0, model, np.arange(BUDGET), None, _num_open)

        yield {"first scorer": scored, "next scorer": scored}


def _num_open(shard: ModelShard) -> int:
    return int(np.count_nonzero(shard.open_S))


def simulated(stretches: Sequence[int], driver: Sequence[tuple[Opened, int]], rows: int = ROWS) -> dict[str, Any]:
    """Every part at every stretch, with fits and projections, and what breaks first.

    Args:
        driver: parts of the driver, each with the fewest rows at which it works as it does for many: stretches that
            begin below are multiplied until the first one has as many.
    """
    found: dict[str, Measured] = {}
    left_out: dict[str, str] = {}
    for opened, least in [*driver, (scoring, 0), (choosing, 0)]:
        times = -(-least // min(stretches))
        sizes = [max(1, times) * stretch for stretch in stretches]
        with opened(max(WARM_UP_ROWS, least)) as calls:  # imports
            for call in calls.values():
                call()
        for size in sizes:
            with opened(size) as calls:
                for name, call in calls.items():
                    by_rows = found.setdefault(name, {})
                    if trouble := no_room(by_rows, size):
                        left_out[f"{name} at {size:,} rows"] = trouble
                        continue
                    by_rows[size] = used(call)
                    print(f"{name} at {size:,} rows: {by_rows[size]}", file=sys.stderr)
    table = {name: {"by_rows": by_rows, **projected(by_rows, rows)} for name, by_rows in found.items()}
    broken = breaks_first(table)
    print(as_text(table, rows, broken), file=sys.stderr)
    return {"rows": rows, "table": table, "left_out": left_out, "breaks_first": broken}


def no_room(by_rows: Measured, size: int) -> str:
    """Why a part is not measured at a size: the memory of the machine; "" where it is."""
    largest = max(by_rows, default=0)
    needed = by_rows[largest]["extra_mib"] * size / largest if largest else 0.0
    free = psutil.virtual_memory().available / 2**20
    return f"needs about {needed:,.0f} MiB, {free:,.0f} are free" if needed > free else ""


def projected(by_rows: Measured, rows: int) -> dict[str, Any]:
    """Exponents of CPU seconds and memory, and both at `rows`.

    The exponent is fitted to all stretches by least squares. The projection continues from the largest stretch by the
    exponent between the largest two, since costs that do not grow make the first stretches flatter.
    """
    found: dict[str, Any] = {}
    *_, second, largest = sorted(by_rows)
    for name, least in LEAST.items():
        measured = {size: max(least, each[name]) for size, each in by_rows.items()}
        last = exponent({size: measured[size] for size in (second, largest)})
        found[f"{name}_exponent"] = exponent(measured)
        found[f"{name}_last_exponent"] = last
        found[f"{name}_projected"] = measured[largest] * (rows / largest) ** max(last, 0.0)
    return found


def breaks_first(table: dict[str, Any]) -> dict[str, Any]:
    """The part that comes nearest to a worker's memory or to a day of CPU time, and by what share of it."""
    shares = {
        f"{part}: {what}": found[f"{name}_projected"] / most
        for part, found in table.items()
        for name, what, most in (("extra_mib", "memory", MACHINE_MIB), ("cpu_seconds", "CPU time", DAY))
    }
    worst = max(shares, key=lambda each: shares[each])
    return {"what": worst, "share_of_limit": shares[worst], "breaks": shares[worst] > 1}


def as_text(table: dict[str, Any], rows: int, broken: dict[str, Any]) -> str:
    """The table that people read."""
    head = ("part", "measured at (rows: CPU s, MiB)", "exponents", f"at {rows:,} rows")
    lines = [
        (
            part,
            "; ".join(
                f"{size / 1e6:g} M: {each['cpu_seconds']:.3g}, {each['extra_mib']:.3g}" for size, each in by_rows
            ),
            f"{found['cpu_seconds_exponent']:.2f}, {found['extra_mib_exponent']:.2f}",
            f"{found['cpu_seconds_projected']:,.3g} CPU s, {found['extra_mib_projected']:,.0f} MiB",
        )
        for part, found in table.items()
        for by_rows in [found["by_rows"].items()]
    ]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    text = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *lines]
    )
    state = "breaks first" if broken["breaks"] else "nothing breaks; nearest to its limit"
    return f"{text}\n{state}: {broken['what']}, {broken['share_of_limit']:.1%} of 128 GiB or of a day of CPU time"

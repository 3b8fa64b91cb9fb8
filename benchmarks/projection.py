"""The simulation of 100 million rows: parts measured at growing sizes, fitted, and projected."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import wired
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
Used = Callable[[Callable[[], object]], dict[str, float]]
Opened = Callable[[int], Any]
"""For a number of rows, a context of the call that is measured."""


@contextmanager
def selecting(name: str, rows: int) -> Iterator[Callable[[], object]]:
    """Choosing by a strategy, in one process, from a memory-mapped pool of random rows."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        path, rng = Path(folder) / "pool.npy", np.random.default_rng(0)
        raw_ND = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, DIMENSIONS))
        for start in range(0, rows, 1 << 18):
            part_BD = raw_ND[start : start + (1 << 18)]
            part_BD[:] = rng.standard_normal(part_BD.shape, np.float32)
        weight_DK = rng.standard_normal((DIMENSIONS, CLASSES), np.float32)
        plain = Standardization(np.zeros(DIMENSIONS, np.float32), np.ones(DIMENSIONS, np.float32))
        model = Classifier(plain, ((weight_DK, np.zeros(CLASSES, np.float32)),))
        labeled_L = np.arange(BUDGET)
        view = PoolView.from_model(np.load(path, mmap_mode="r"), model, labeled_L, labeled_L % CLASSES)
        yield lambda: strategies.create(name).select(view, min(BUDGET, rows // 4), np.random.default_rng(0))


@contextmanager
def scoring(rows: int) -> Iterator[Callable[[], object]]:
    """One scorer that owns all of a store's rows begins, and lays out its shard for a view."""
    with TemporaryDirectory(prefix="labelbench-") as folder:
        store = wired.synthetic(Path(folder) / "synthetic", rows)
        standardization = store.arrays().standardization
        weight_DK = np.ones((wired.DIMENSIONS, wired.CLASSES), np.float32)
        model = Classifier(standardization, ((weight_DK, np.zeros(wired.CLASSES, np.float32)),))
        scorer: Any = Scorer
        scorer = scorer.__ray_metadata__.modified_class

        def scored() -> object:
            return scorer(store.directory, 0, rows).apply(0, model, np.arange(BUDGET), None, _num_open)

        yield scored


def _num_open(shard: ModelShard) -> int:
    return int(np.count_nonzero(shard.open_S))


def simulated(stretches: Sequence[int], parts: Mapping[str, Opened], used: Used, rows: int = ROWS) -> dict[str, Any]:
    """Every part at every stretch, with fits and projections, and what breaks first."""
    opened: dict[str, Opened] = {
        **parts,
        "one_scorer": scoring,
        **{name: partial(selecting, name) for name in CHOOSING},
    }
    table: dict[str, Any] = {}
    for name, part in opened.items():
        by_rows: dict[int, dict[str, float]] = {}
        with part(WARM_UP_ROWS) as call:  # imports
            call()
        for stretch in stretches:
            with part(stretch) as call:
                by_rows[stretch] = used(call)
            print(f"{name} at {stretch:,} rows: {by_rows[stretch]}", file=sys.stderr)
        table[name] = {"by_rows": by_rows, **projected(by_rows, rows)}
    return {"rows": rows, "stretches": list(stretches), "table": table, "breaks_first": breaks_first(table)}


def projected(by_rows: dict[int, dict[str, float]], rows: int) -> dict[str, Any]:
    """Exponents of CPU seconds and memory, by least squares, and both at `rows`.

    A projection continues from the largest stretch, and memory by an exponent of at most 1 where little was needed.
    """
    found: dict[str, Any] = {}
    largest = max(by_rows)
    for name in ("cpu_seconds", "extra_mib"):
        # What is too small to measure would make any slope: a tenth of a MiB, or a millisecond, is the least.
        least = {"cpu_seconds": 1e-3, "extra_mib": 0.1}[name]
        measured = {size: max(least, used[name]) for size, used in by_rows.items()}
        slope = exponent(measured)
        found[f"{name}_exponent"] = slope
        found[f"{name}_projected"] = measured[largest] * (rows / largest) ** max(slope, 0.0)
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

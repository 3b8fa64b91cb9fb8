"""One measured selection, in a process of its own: `case.py JSON` prints what it took as JSON."""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pools import Pool, opened
from processes import status_kib

from labelbench_ray import strategies
from labelbench_ray.types import PoolView

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
REPEATS = ((0.3, 7), (2.0, 3))
"""How often what takes less than so many seconds is measured; what takes longer, once."""
SECONDS_BETWEEN_SAMPLES = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """What to choose from, with what, how many rows."""

    strategy: str
    pool: str
    """The folder of a pool."""
    budget: int
    settings: dict[str, Any] = field(default_factory=dict)
    mapped: bool = False
    """The embeddings stay in their file, which the system maps into memory, as those of a store do."""


def measure(case: Case) -> dict[str, Any]:
    """Choose in this process; CPU seconds are those of all its threads."""
    pool = opened(Path(case.pool), mapped=case.mapped)
    view = pool.mapped() if case.mapped else pool.linear()
    strategy = strategies.create(case.strategy, **case.settings)
    np.ones((512, 512), np.float32) @ np.ones((512, 512), np.float32)  # the library's own buffers are not ours
    ctypes.CDLL(None).malloc_trim(0)  # what opening the pool left behind would hide as much of what choosing takes
    before = status_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    cpu, wall = _choose(case, pool, view, strategy)
    extra = status_kib("VmHWM") - before
    cpus = [cpu]
    cpus += [_choose(case, pool, view, strategy)[0] for _ in range(repeats(cpu) - 1)]
    return {
        "cpu_seconds": statistics.median(cpus),
        "wall_seconds": wall,
        "extra_mib": extra / 2**10,
    }


def run(case: Case, threads: int = 1, seconds: float = 3600) -> dict[str, Any]:
    """The same in a process of its own, whose anonymous memory is sampled; "failed" says how it ended otherwise."""
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    line = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(case))]
    peak = 0
    limit = time.monotonic() + seconds
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        process = subprocess.Popen(line, env=environment, stdout=said, stderr=complained)
        while process.poll() is None and time.monotonic() < limit:
            with suppress(OSError):  # it has ended meanwhile
                peak = max(peak, sum(status_kib(kind, process.pid) for kind in ("RssAnon", "RssShmem")))
            time.sleep(SECONDS_BETWEEN_SAMPLES)
        if process.poll() is None:
            process.kill()
            process.wait()
            return {"failed": f"not done after {seconds:.0f} s"}
        said.seek(0)
        complained.seek(0)
        if process.returncode:
            lines = complained.read().splitlines() or [f"exit status {process.returncode}"]
            return {"failed": lines[-1]}
        return json.loads(said.read()) | {"anonymous_gib": peak / 2**20}


def repeats(seconds: float) -> int:
    """How often to measure what took so long at first."""
    return next((times for most, times in REPEATS if seconds < most), 1)


def _choose(case: Case, pool: Pool, view: PoolView, strategy: strategies.Strategy) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    strategy.select(view, case.budget, np.random.default_rng(0), ask=pool.ask)
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    print(json.dumps(measure(Case(**json.loads(sys.argv[1])))))

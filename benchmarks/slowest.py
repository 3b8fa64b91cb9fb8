"""CPU seconds of the slowest selections against what this machine's products and reads alone take.

.venv/bin/python benchmarks/slowest.py [NAME ...] [--before CHECKOUT] [--pairs 1] [--pools DIR]

NAME: coreset (400,000 x 512 float16, K = 100, 1,000 of it), kmeans (50,000 x 512, 10,000 clusters), probcover (50,000 x
512, K = 1,000), bait (50,000 x 1,280). With `--before`, each is measured with the package of that checkout too, in turn
with this one: one process a measurement, on one thread. kmeans and bait take minutes: name one at a time.

The limit is the products of the method, at the rates of float32 and float64 products here, and reads at this machine's
bandwidth. Bounds leave products out (coreset, kmeans), so a fraction may be above 1.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from case import THREADS, Case
from machine import parser
from pools import Shape, made
from threadpoolctl import threadpool_limits

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Work:
    """What a method cannot leave out: flops in float32 and in float64, and bytes read from memory."""

    single: float = 0
    double: float = 0
    read: float = 0


@dataclass(frozen=True, slots=True)
class Slow:
    """A selection and the work of its textbook form."""

    shape: Shape
    budget: int
    work: Work
    words: str


ROWS, LABELED, ITERATIONS, SAMPLE, TRIALS = 50_000, 1000, 12, 20_000, 8
WIDE = 2 * ROWS * 1280
CASES = {
    "coreset": Slow(
        Shape(400_000, 512, 100, dtype="float16"),
        1000,
        Work(single=2 * 400_000 * 512 * (LABELED + 1000)),
        "2 N D (L + b)",
    ),
    "kmeans": Slow(
        Shape(ROWS, 512, 10),
        10_000,
        Work(single=(ITERATIONS + 1) * 2 * ROWS * 512 * 10_000),
        f"2 N D b for each of {ITERATIONS} iterations and the last assignment",
    ),
    "probcover": Slow(
        Shape(ROWS, 512, 1000),
        1000,
        # Seeds: all rows in float64, once a seed. Graph: each pair once; radius: 4,096 balls; about 7 of Lloyd's.
        Work(single=2 * SAMPLE * 513 * (SAMPLE / 2 + 4096 + 7 * 1000), read=1000 * SAMPLE * 513 * 8),
        "n (n / 2 + 4,096 + 7 K) products of D, and K reads of n D float64",
    ),
    "bait": Slow(
        Shape(ROWS, 1280, 10),
        1000,
        Work(single=WIDE * (2 * 2000 + 2 * 1280), double=WIDE * 1280 + 3000 * 4 * 1664 * 1280),
        "2 products a pick with every row, their terms once (2 D), the information (D), picks among candidates",
    ),
}


def main() -> None:
    """Measure and print the table."""
    options = parser(__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(CASES)}; default: all")
    options.add_argument("--before", type=Path, help="a checkout of an earlier commit")
    options.add_argument("--pairs", type=int, default=1, help="measurements of each, in turn")
    options.add_argument("--pools", type=Path, help="where pools lie; default: a fresh folder, deleted at the end")
    arguments = options.parse_args()
    if unknown := set(arguments.names) - set(CASES):
        options.error(f"no case called {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}")
    print("| selection | limit, CPU s | before | after | limit / after | after / before | work |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="labelbench-") as fresh, threadpool_limits(1):
        for name in arguments.names or CASES:
            print(row(name, arguments.pools or Path(fresh), arguments.before, arguments.pairs), flush=True)


def row(name: str, pools: Path, before: Path | None, pairs: int) -> str:
    """The table's line of a case."""
    slow = CASES[name]
    case = Case(name, str(made(pools, slow.shape)), slow.budget, mapped=slow.shape.dtype == "float16")
    checkouts = [HERE.parent] if before is None else [before.resolve(), HERE.parent]
    found: dict[Path, list[float]] = {checkout: [] for checkout in checkouts}
    limits = []
    for _ in range(pairs):
        limits.append(limit(slow.work))
        for checkout in checkouts:
            found[checkout].append(cpu_seconds(case, checkout))
    least, (*earlier, after) = statistics.median(limits), (statistics.median(each) for each in found.values())
    was, ratio = (f"{earlier[0]:.1f}", f"{after / earlier[0]:.2f}") if earlier else ("", "")
    return f"| {name} | {least:.1f} | {was} | {after:.1f} | {least / after:.2f} | {ratio} | {slow.words} |"


def cpu_seconds(case: Case, checkout: Path) -> float:
    """Of the selection with the package of a checkout, in a process of its own."""
    line = [sys.executable, str(checkout / "benchmarks" / "case.py"), json.dumps(asdict(case))]
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(line, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout)["cpu_seconds"])


def limit(work: Work) -> float:
    """CPU seconds of that work at this machine's rates."""
    single, double = (product_rate(dtype) for dtype in (np.float32, np.float64))
    return work.single / single + work.double / double + work.read / bandwidth()


def product_rate(dtype: type[np.floating]) -> float:
    """Flops a second of (4096, 512) @ (512, 4096)."""
    left, right = np.ones((4096, 512), dtype), np.ones((512, 4096), dtype)
    return 2 * 4096 * 512 * 4096 / best(lambda: left @ right)


def bandwidth() -> float:
    """Bytes a second of adding up 256 MiB."""
    numbers = np.ones(2**25)
    return numbers.nbytes / best(numbers.sum)


def best(work: Callable[[], object]) -> float:
    """CPU seconds; the least of five."""
    seconds = []
    for _ in range(5):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


if __name__ == "__main__":
    main()

"""CPU seconds of the slowest selections and of FlexMatch against what this machine's products and reads alone take.

.venv/bin/python benchmarks/slowest.py [NAME ...] [--before CHECKOUT] [--pairs 1] [--pools DIR] [--tiny]

NAME: coreset (400,000 x 512 float16, K = 100, 1,000 of it), kmeans (20,000 x 512, 10,000 clusters), probcover (50,000 x
512, K = 1,000), bait (50,000 x 1,280), flexmatch (one fit, as `flexmatch.py` measures it). With `--before`, each is
measured with the package of that checkout too, in turn with this one: one process a measurement, on one thread. A name
takes up to three minutes. `--tiny`: 2,000 x 16, to see that everything runs.

The limit is the products of the method, at the rates of float32 and float64 products here, and reads at this machine's
bandwidth. Bounds leave products out (coreset, kmeans), so `times_limit` may be below 1.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from case import THREADS, Case
from machine import parser, show
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
    work: Callable[[Shape, int], Work]
    words: str

    def tiny(self) -> "Slow":
        """The same at a size that takes no time."""
        shape = replace(self.shape, rows=2000, dimensions=16, classes=min(20, self.shape.classes), labeled=100)
        return replace(self, shape=shape, budget=50)


ITERATIONS, SAMPLE, TIMES_LIMIT = 12, 20_000, 2.0


def _probcover(shape: Shape, budget: int) -> Work:
    # Seeds: all rows in float64, once a seed. Graph: each pair once; radius: 4,096 balls; about 7 of Lloyd's.
    rows = min(SAMPLE, shape.rows)
    products = rows / 2 + 4096 + 7 * shape.classes
    return Work(single=2 * rows * (shape.dimensions + 1) * products, read=shape.classes * rows * shape.dimensions * 8)


def _bait(shape: Shape, budget: int) -> Work:
    picks = shape.rows * shape.dimensions
    candidates = 3 * budget * 4 * 1664 * shape.dimensions
    single = 2 * picks * (2 * 2 * budget + 2 * shape.dimensions)
    return Work(single=single, double=2 * picks * shape.dimensions + candidates)


CASES = {
    "coreset": Slow(
        Shape(400_000, 512, 100, dtype="float16"),
        1000,
        lambda shape, budget: Work(single=2 * shape.rows * shape.dimensions * (shape.labeled + budget)),
        "2 N D (L + b)",
    ),
    "kmeans": Slow(
        Shape(20_000, 512, 10),
        10_000,
        lambda shape, budget: Work(single=(ITERATIONS + 1) * 2 * shape.rows * shape.dimensions * budget),
        f"2 N D b for each of {ITERATIONS} iterations and the last assignment",
    ),
    "probcover": Slow(
        Shape(50_000, 512, 1000),
        1000,
        _probcover,
        "n (n / 2 + 4,096 + 7 K) products of D, and K reads of n D float64",
    ),
    "bait": Slow(
        Shape(50_000, 1280, 10),
        1000,
        _bait,
        "2 products a pick with every row, their terms once (2 D), the information (D), picks among candidates",
    ),
}
FLEXMATCH = "flexmatch"


@dataclass(frozen=True, slots=True)
class Once:
    """CPU seconds: measured, and the limit at that moment."""

    cpu_seconds: float
    limit: float


def main(given: list[str] | None = None) -> None:
    """Measure and print."""
    names = [*CASES, FLEXMATCH]
    options = parser(__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; default: all")
    options.add_argument("--before", type=Path, help="a checkout of an earlier commit")
    options.add_argument("--pairs", type=int, default=1, help="measurements of each, in turn")
    options.add_argument("--pools", type=Path, help="where pools lie; default: a fresh folder, deleted at the end")
    options.add_argument("--tiny", action="store_true", help="2,000 x 16")
    arguments = options.parse_args(given)
    if unknown := set(arguments.names) - set(names):
        options.error(f"no case called {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    checkouts = {"before": arguments.before.resolve()} if arguments.before else {}
    checkouts["after"] = HERE.parent
    measured = {}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as fresh, threadpool_limits(1):
        for name in arguments.names or names:
            if name == FLEXMATCH:
                once, words = flexmatch, "the rows of every step read as float32, and the products of its passes"
            else:
                slow = CASES[name].tiny() if arguments.tiny else CASES[name]
                once, words = measurement(name, slow, arguments.pools or Path(fresh)), slow.words
            measured[name] = compared(once, checkouts, arguments.pairs) | {"limit_is": words}
            print(f"slowest {name}: {measured[name]}", file=sys.stderr)
    met = all(found["times_limit"] <= TIMES_LIMIT for found in measured.values())
    show("slowest", measured, {"times_limit_at_most": TIMES_LIMIT}, met=met)


def compared(once: Callable[[Path], Once], checkouts: dict[str, Path], pairs: int) -> dict[str, Any]:
    """Medians of each checkout's CPU seconds, in turn."""
    found: dict[str, list[Once]] = {which: [] for which in checkouts}
    for _ in range(pairs):
        for which, checkout in checkouts.items():
            found[which].append(once(checkout))
    spent = {which: statistics.median(each.cpu_seconds for each in some) for which, some in found.items()}
    least = statistics.median(each.limit for some in found.values() for each in some)
    answer = {"limit_cpu_seconds": least, **{f"{which}_cpu_seconds": seconds for which, seconds in spent.items()}}
    if "before" in spent:
        answer["after_to_before"] = spent["after"] / spent["before"]
    return answer | {"times_limit": spent["after"] / least}


def measurement(name: str, slow: Slow, pools: Path) -> Callable[[Path], Once]:
    """A selection with the package of a checkout, in a process of its own."""
    case = Case(name, str(made(pools, slow.shape)), slow.budget, mapped=slow.shape.dtype == "float16")
    work = slow.work(slow.shape, slow.budget)
    return lambda checkout: Once(cpu_seconds(case, checkout), limit(work))


def cpu_seconds(case: Case, checkout: Path) -> float:
    """Of the selection with the package of a checkout, in a process of its own."""
    return float(answer(checkout, "case.py", json.dumps(asdict(case)))["cpu_seconds"])


def flexmatch(checkout: Path) -> Once:
    """A fit by the benchmark of its own."""
    measured = answer(checkout, "flexmatch.py", "--repeats", "3")["measured"]
    return Once(measured["cpu_seconds"], measured["gather_cpu_seconds"] + measured["products_cpu_seconds"])


def answer(checkout: Path, script: str, *given: str) -> dict[str, Any]:
    """What a benchmark of a checkout prints, run with its package on one thread."""
    line = [sys.executable, str(checkout / "benchmarks" / script), *given]
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(line, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


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

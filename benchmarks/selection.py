"""The parts of benchmarks/select.py; each returns what it measured, the limits, and whether they are kept."""

import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import limits
import numpy as np
from case import Case, run
from machine import parser, show
from pools import TIGHT, Shape, made

from labelbench_ray import strategies

Found = dict[str, Any]
Runner = Callable[..., Found]
"""`case.run`, or `case.measure` of the case in this process."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a part found."""

    measured: Found
    target: Found
    met: bool


def main(description: str | None) -> None:
    """Run the parts asked for and show."""
    arguments = options(description)
    with folder_of(arguments.pools) as folder:
        answers = {part: PARTS[part](arguments, folder) for part in arguments.parts}
    show(
        "select",
        {part: answer.measured for part, answer in answers.items()},
        {part: answer.target for part, answer in answers.items()},
        met=all(answer.met for answer in answers.values()),
    )


def options(description: str | None, line: list[str] | None = None) -> Namespace:
    """Of the command line."""
    made = parser(description)
    made.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: table")
    made.add_argument("--strategies", nargs="+", metavar="NAME", help="only these")
    made.add_argument("--pools", type=Path, help="where pools lie; default: a fresh folder, deleted at the end")
    made.add_argument("--classes", nargs="+", type=int, help="K")
    made.add_argument("--rows", nargs="+", type=int, help="N; several for growth")
    made.add_argument("--budgets", nargs="+", type=int, help="budgets; several for growth")
    made.add_argument("--dimensions", type=int, help="D")
    made.add_argument("--labeled", type=int, help="L")
    made.add_argument("--seconds", type=float, default=3600, help="when to give up on a case")
    arguments = made.parse_args(line)
    arguments.parts = arguments.parts or ["table"]
    if unknown := set(arguments.parts) - set(PARTS):
        made.error(f"no part called {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    return arguments


@contextmanager
def folder_of(given: Path | None) -> Any:  # noqa: ANN401
    """The folder given, or a fresh one that is deleted at the end."""
    if given is not None:
        yield given
        return
    with TemporaryDirectory(prefix="labelbench-") as fresh:
        yield Path(fresh)


def without_facts() -> list[str]:
    """The strategies that choose by embeddings and probabilities; benchmarks/prompts.py measures the others."""
    return [name for name in strategies.names() if not strategies.create(name).facts]


def table(arguments: Namespace, folder: Path, runner: Runner = run) -> Answer:
    """Every strategy at the size of the issue's table."""
    rows, dimensions, budget = (
        _first(arguments.rows, 50_000),
        arguments.dimensions or 512,
        _first(arguments.budgets, 1000),
    )
    measured: Found = {}
    cases = [
        (f"K={classes}", classes, name, limits.seconds(name, classes), {})
        for classes in arguments.classes or (10, 100)
        for name in arguments.strategies or without_facts()
    ] + [
        ("tight clusters", 10, name, limits.Limit(None, most), TIGHT)
        for name, most in limits.TIGHT_SECONDS.items()
        if name in (arguments.strategies or without_facts())
    ]
    for column, classes, name, limit, more in cases:
        shape = Shape(rows, dimensions, classes, arguments.labeled or 1000, **more)
        found = _say(column, name, runner(Case(name, str(made(folder, shape)), budget)))
        most = limits.extra_mib(name, rows, classes)
        met = "failed" not in found and found["cpu_seconds"] <= limit.at_most and found["extra_mib"] <= most
        measured.setdefault(name, {})[column] = found | {"limit": asdict(limit), "met": met}
    target = {"cpu_seconds_at_most": "limit.at_most of each case", "extra_mib_at_most": limits.extra_mib("", rows, 10)}
    return Answer(measured, target, all(found["met"] for row in measured.values() for found in row.values()))


def growth(arguments: Namespace, folder: Path) -> Answer:
    """How CPU seconds grow with the pool and with the budget, and memory at the largest pool."""
    sizes = arguments.rows or [50_000, 200_000, 800_000]
    budgets = arguments.budgets or [100, 1000, 10_000]
    classes = _first(arguments.classes, 10)

    def at(name: str, rows: int, budget: int) -> Found:
        shape = Shape(rows, arguments.dimensions or 512, classes, arguments.labeled or 1000)
        case = Case(name, str(made(folder, shape)), budget)
        return _say(f"N={rows} budget={budget}", name, run(case, seconds=arguments.seconds))

    measured = {}
    for name in arguments.strategies or without_facts():
        by_rows = {rows: at(name, rows, 1000) for rows in sizes}
        by_budget = {budget: at(name, min(sizes), budget) for budget in budgets}
        measured[name] = grown(by_rows, by_budget, limits.extra_mib(name, max(sizes), classes))
    target = {
        "exponent_at_most": limits.EXPONENT,
        "extra_mib_at_largest_at_most": limits.extra_mib("", max(sizes), classes),
    }
    return Answer(measured, target, all(found["met"] for found in measured.values()))


def grown(by_rows: dict[int, Found], by_budget: dict[int, Found], most_mib: float) -> Found:
    """Exponents, and memory at the largest pool."""
    if failed := {f"{size}": found["failed"] for size, found in (by_rows | by_budget).items() if "failed" in found}:
        return {"failed": failed, "met": False}
    seconds = [{size: found["cpu_seconds"] for size, found in each.items()} for each in (by_rows, by_budget)]
    of_rows, of_budget = (exponent(each) for each in seconds)
    extra_mib = by_rows[max(by_rows)]["extra_mib"]
    return {
        "exponent_of_rows": of_rows,
        "exponent_of_budget": of_budget,
        "cpu_seconds_by_rows": seconds[0],
        "cpu_seconds_by_budget": seconds[1],
        "extra_mib_at_largest": extra_mib,
        "bytes_a_row_at_largest": extra_mib * 2**20 / max(by_rows),
        "met": max(of_rows, of_budget) <= limits.EXPONENT and extra_mib <= most_mib,
    }


def exponent(seconds: dict[int, float]) -> float:
    """Slope of log CPU seconds over log size, by least squares."""
    return float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0])


def imagenet(arguments: Namespace, folder: Path) -> Answer:
    """ImageNet's size, on two threads."""
    shape = Shape(
        _first(arguments.rows, 1_281_167),
        arguments.dimensions or 512,
        _first(arguments.classes, 1000),
        arguments.labeled or 10_000,
        "float16",
    )
    return _mapped(arguments, folder, shape, limits.IMAGENET_SECONDS, limits.IMAGENET_GIB, threads=2)


def ten_million(arguments: Namespace, folder: Path) -> Answer:
    """Ten million rows."""
    shape = Shape(
        _first(arguments.rows, 10_000_000),
        arguments.dimensions or 64,
        _first(arguments.classes, 10),
        arguments.labeled or 1000,
        "float16",
    )
    most = dict.fromkeys(limits.TEN_MILLION, arguments.seconds)
    return _mapped(arguments, folder, shape, most, limits.TEN_MILLION_GIB, threads=1)


def _mapped(
    arguments: Namespace, folder: Path, shape: Shape, most: dict[str, float], gib: float, threads: int
) -> Answer:
    budget = _first(arguments.budgets, 10_000)
    measured = {}
    for name in arguments.strategies or [name for name in most if name in without_facts()]:
        case = Case(name, str(made(folder, shape)), budget, mapped=True)
        found = _say(shape.name, name, run(case, threads, arguments.seconds))
        found.pop("extra_mib", None)  # holds pages of the mapped file too
        met = (
            "failed" not in found and found["wall_seconds"] <= most.get(name, np.inf) and found["anonymous_gib"] <= gib
        )
        measured[name] = found | {"met": met}
    target = {"wall_seconds_at_most": most, "anonymous_gib_at_most": gib}
    return Answer(measured, target, all(found["met"] for found in measured.values()))


def scorers(arguments: Namespace, folder: Path) -> Answer:
    """Two actors against one."""
    from actors import measure_actors  # starts Ray: only where it is asked for

    shape = Shape(
        _first(arguments.rows, 400_000),
        arguments.dimensions or 512,
        _first(arguments.classes, 100),
        arguments.labeled or 1000,
        "float16",
    )
    names = arguments.strategies or [name for name in limits.SCORED if name in without_facts()]
    measured = measure_actors(made(folder, shape), names, _first(arguments.budgets, 1000))
    met = all(found["ratio"] <= limits.SCORERS_RATIO for found in measured.values())
    return Answer(measured, {"ratio_at_most": limits.SCORERS_RATIO}, met)


def roofline(arguments: Namespace, folder: Path) -> Answer:
    """Where the time goes."""
    from roofline import NAMES, against_products

    names = [name for name in arguments.strategies or NAMES if name in without_facts()]
    measured: Found = {}
    for classes in arguments.classes or (10, 100):
        shape = Shape(_first(arguments.rows, 50_000), arguments.dimensions or 512, classes, arguments.labeled or 1000)
        place, budget = made(folder, shape), _first(arguments.budgets, 1000)
        found = {name: _say(f"K={classes}", name, run(Case(name, str(place), budget))) for name in names}
        measured[f"K={classes}"] = against_products(shape, budget, found)
    return Answer(measured, {}, met=True)


PARTS: dict[str, Callable[[Namespace, Path], Answer]] = {
    "table": table,
    "growth": growth,
    "imagenet": imagenet,
    "ten_million": ten_million,
    "scorers": scorers,
    "roofline": roofline,
}


def _first(given: list[int] | None, default: int) -> int:
    return given[0] if given else default


def _say(where: str, name: str, found: Found) -> Found:
    what = found.get("failed") or f"{found['cpu_seconds']:.3g} CPU s, {found['extra_mib']:.0f} MiB"
    print(f"select {where} {name}: {what}", file=sys.stderr)
    return found

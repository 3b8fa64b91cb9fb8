"""The terminal's table of strategies: one line each, on wider terminals with more columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from labelbench_ray.report import words
from labelbench_ray.report.statistics.comparison import Comparison, Difference, Row
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.statistics.savings import Saving

UNLIMITED: Final = 10_000
"""Columns of a terminal on which every table fits."""


@dataclass(frozen=True, slots=True, eq=False)
class StrategyLines:
    """Strategies by their gain over the baseline, which stands at its own gain of 0."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        tables = [
            _table(self.comparison, detailed=detailed, gap=gap) for detailed, gap in ((True, 2), (False, 2), (False, 1))
        ]
        unlimited = options.update(width=UNLIMITED)
        fitting = (each for each in tables if Measurement.get(console, unlimited, each).maximum <= options.max_width)
        yield next(fitting, tables[-1])
        yield Text(_caption(self.comparison), style="italic")


def by_gain(comparison: Comparison) -> tuple[Row, ...]:
    """The rows by the mean difference from the baseline over the curve, then those that are not compared with it."""

    def gain(row: Row) -> float:
        if row.strategy == comparison.baseline:
            return 0.0
        return row.difference.area.value if row.difference else -inf

    return tuple(sorted(comparison.rows, key=lambda row: -gain(row)))


def bracketed(estimate: Estimate) -> str:
    """`+2.7 [+1.1, +4.4]`, in percentage points; without an interval, the mean alone."""
    decimals = words.digits(estimate)
    value = words.signed(100 * estimate.value, decimals)
    if not estimate.has_interval:
        return value
    ends = ", ".join(words.signed(100 * end, decimals) for end in (estimate.low, estimate.high))
    return f"{value} [{ends}]".replace(" ", words.NO_BREAK)


def saved(saving: Saving) -> str:
    """`44 % [18, 63]`, `9 % [none, 32]`, `none`, `≥80 % [65, ≥80]`; none: the target is not reached."""
    if saving.moot:
        return words.saved(saving)
    text = words.saved(saving).replace("not reached", "none").replace("at least ", "≥")
    ends = [_end(saving, labels) for labels in (saving.high_labels, saving.low_labels)]
    if not saving.has_interval or set(ends) == {text.removesuffix(f"{words.NO_BREAK}%")}:
        return text
    return f"{text} [{', '.join(ends)}]".replace(" ", words.NO_BREAK)


def _end(saving: Saving, labels: float) -> str:
    part = saving.part(labels)
    if not isfinite(part):
        return "none"
    return ("≥" if labels <= saving.first_labels else "") + words.signed(100 * part, 0, plus="")


def _table(comparison: Comparison, *, detailed: bool, gap: int) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for place, name in enumerate(_head(comparison, detailed=detailed)):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    for row in by_gain(comparison):
        table.add_row(*map(Text, _line(row, detailed=detailed) if comparison.compared else _alone(row)))
    return table


def _head(comparison: Comparison, *, detailed: bool) -> Iterator[str]:
    if not comparison.compared:
        yield from ("strategy", "seeds", f"final {comparison.noun}", "mean over the curve")
        return
    yield "strategy"
    yield from (["seeds"] if detailed else [])
    yield f"final {comparison.noun}"
    yield from (["gain at the end", "p", "mean over the curve"] if detailed else [])
    yield f"gain over {comparison.baseline}"
    yield "p"
    yield "labels saved"


def _alone(row: Row) -> tuple[str, ...]:
    return row.strategy, _seeds(row, None), words.accuracy(row.final), words.accuracy(row.area)


def _line(row: Row, *, detailed: bool) -> tuple[str, ...]:
    found = row.difference
    final = (bracketed(found.final), _p(found.final, found.final_adjusted)) if found else (words.NONE, words.NONE)
    area = (bracketed(found.area), _p(found.area, found.area_adjusted)) if found else (words.NONE, words.NONE)
    return (
        row.strategy,
        *([_seeds(row, found)] if detailed else []),
        words.accuracy(row.final),
        *([*final, words.accuracy(row.area)] if detailed else []),
        *area,
        saved(found.saving) if found else words.NONE,
    )


def _seeds(row: Row, found: Difference | None) -> str:
    have = len(row.curves.seeds)
    return f"{have} ({len(found.seeds)} paired)" if found and len(found.seeds) != have else str(have)


def _p(estimate: Estimate, adjusted: float) -> str:
    return words.p_value(adjusted).removeprefix("p ").removeprefix("= ") if estimate.has_interval else words.NONE


def _caption(comparison: Comparison) -> str:
    counts = sorted({len(row.curves.seeds) for row in comparison.rows})
    seeds = words.several(counts[-1], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    first, last = words.count(comparison.labels[0]), words.count(comparison.labels[-1])
    alone = f"{comparison.metric} with {last} labels; {seeds}; ± is a strategy's own 95 % interval."
    if not comparison.compared:
        return alone
    intervals = words.intervals(comparison.compared, comparison.test_rows)
    return (
        f"{alone} Gain: difference from {comparison.baseline} in the mean over the curve, {first} to {last} labels, in "
        f"points, paired by seed. Brackets: {intervals}. p after Holm.{_none(comparison)}"
    )


def _none(comparison: Comparison) -> str:
    """What "none" means, where it stands in the table."""
    savings = [row.difference.saving for row in comparison.rows if row.difference]
    stated = any("none" in saved(each) for each in savings)
    last = words.count(comparison.labels[-1])
    return (
        f" None: {comparison.baseline}'s highest mean {comparison.noun} is not reached with {last} labels."
        if stated
        else ""
    )

"""Forest plots as tables: a row a strategy with its interval drawn beside the numbers, sorted, on one common axis.

Places are percentages of a cell's width, so that a plot is as wide as its column; the text stays text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

from markupsafe import Markup

from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell
from labelbench_ray.report.findings import Standing, findings, standing
from labelbench_ray.report.page import svg
from labelbench_ray.report.page.scales import Scale, padded, ticks
from labelbench_ray.report.statistics.comparison import Comparison, Row
from labelbench_ray.report.strategy_lines import bracketed, by_gain, saved

LEAST: Final = -1e9
"""Sorts below every number: a target that is not reached."""
CLASSES: Final = {Standing.BETTER: "better", Standing.WORSE: "worse"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A mean and its interval; an end that is not finite runs out of the plot."""

    name: str
    value: float
    low: float
    high: float
    look: str
    """`better`, `worse` or `unclear`; `baseline`, which has no interval."""


@dataclass(frozen=True, slots=True)
class Line:
    """The strategy, its drawing and the cells beside it."""

    first: Cell
    drawing: Markup
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """`axis` stands above the drawings of all lines."""

    title: str
    axis: Markup
    head: tuple[str, ...]
    lines: tuple[Line, ...]


def gains(comparison: Comparison) -> Forest | None:
    """The mean gain over the curve, which decides, with the gain at the end; None where nothing is compared."""
    rows = [row for row in by_gain(comparison) if row.difference or row.strategy == comparison.baseline]
    if not comparison.compared:
        return None
    final = words.count(comparison.labels[-1])
    marks = [_gain_mark(row, comparison.baseline) for row in rows]
    head = ("mean gain over the curve", "p", f"gain at {final} labels", f"final {comparison.noun}")
    return _forest(
        "strategy", head, marks, [(_name(row), _gain_cells(row)) for row in rows], f"points of {comparison.noun}"
    )


def savings(comparison: Comparison) -> Forest | None:
    """Labels saved at the baseline's highest mean, with the labels needed; None where there are none to save."""
    shown = [row for row in comparison.rows if row.difference and not row.difference.saving.moot]
    if not shown:
        return None
    rows = sorted(shown, key=lambda row: -_saving_mark(row).value)
    needs = sorted({row.difference.saving.random_labels for row in rows if row.difference})
    head = ("labels saved", f"labels needed instead of {words.listed([words.count(labels) for labels in needs])}")
    cells = [
        (
            Cell(row.strategy),
            (
                Cell(saved(row.difference.saving), key=_finite(row.difference.saving.fraction)),
                Cell(words.needed(row.difference.saving)),
            ),
        )
        for row in rows
        if row.difference
    ]
    return _forest(
        "strategy", head, [_saving_mark(row) for row in rows], cells, f"% of the labels of {comparison.baseline}"
    )


def _gain_mark(row: Row, baseline: str) -> Mark:
    if row.strategy == baseline or row.difference is None:
        return Mark(row.strategy, 0.0, 0.0, 0.0, "baseline")
    area = row.difference.area
    low, high = (100 * area.low, 100 * area.high) if area.has_interval else (100 * area.value, 100 * area.value)
    return Mark(row.strategy, 100 * area.value, low, high, CLASSES.get(standing(row), "unclear"))


def _gain_cells(row: Row) -> tuple[Cell, ...]:
    found = row.difference
    final = Cell(words.accuracy(row.final))
    if found is None:
        return Cell(words.NONE), Cell(words.NONE), Cell(words.NONE), final
    p_value = words.p_value(found.area_adjusted).removeprefix("p ").removeprefix("= ")
    p_cell = Cell(p_value if found.area.has_interval else words.NONE, key=found.area_adjusted)
    return Cell(bracketed(found.area)), p_cell, Cell(bracketed(found.final)), final


def _name(row: Row) -> Cell:
    return Cell(row.strategy, "" if row.difference else "baseline")


def _finite(value: float) -> float:
    return value if isfinite(value) else LEAST


def _saving_mark(row: Row) -> Mark:
    """A strategy that does not get there has its mark at minus infinity."""
    assert row.difference is not None
    saving = row.difference.saving
    worst, best = (saving.high_labels, saving.low_labels) if saving.has_interval else (saving.labels, saving.labels)
    found = findings(row)
    look = CLASSES.get(found.saved.standing, "unclear") if found else "unclear"
    middle, low, high = (100 * saving.part(labels) for labels in (saving.labels, worst, best))
    return Mark(row.strategy, middle, low, high, look)


def _forest(
    first: str,
    head: Sequence[str],
    marks: Sequence[Mark],
    cells: Iterable[tuple[Cell, tuple[Cell, ...]]],
    unit: str,
) -> Forest:
    scale = _scale(marks)
    lines = tuple(Line(name, _drawing(mark, scale), beside) for mark, (name, beside) in zip(marks, cells, strict=True))
    return Forest(unit, _axis(scale, unit), (first, *head), lines)


def _scale(marks: Sequence[Mark]) -> Scale:
    """Every mean that is finite and 0; intervals as far as they are not much longer than the means' range."""
    means = [0.0, *(mark.value for mark in marks if isfinite(mark.value))]
    room = max(1.5 * (max(means) - min(means)), 1.0)
    ends = [end for mark in marks for end in (mark.low, mark.high) if isfinite(end)]
    low = max(min([*means, *ends]), min(means) - room)
    high = min(max([*means, *ends]), max(means) + room)
    return Scale(*padded(low, high, part=0.02), 5.0, 95.0)


def _axis(scale: Scale, unit: str) -> Markup:
    texts = [
        svg.text(tick.text, x=_percent(scale.at(tick.value)), y="2.1em", text_anchor="middle", class_="tick")
        for tick in ticks(scale.low, scale.high, 5, plus="+")
    ]
    title = svg.text(unit, x="50%", y="0.9em", text_anchor="middle", class_="title")
    return svg.element("svg", title, *texts, class_="forest-axis", aria_hidden="true")


def _drawing(mark: Mark, scale: Scale) -> Markup:
    zero = _percent(scale.at(0))
    parts = [svg.element("line", x1=zero, x2=zero, y1="0", y2="100%", class_="zero")]
    if mark.look != "baseline":
        parts += _interval(mark, scale)
    if isfinite(mark.value):
        parts.append(svg.element("circle", cx=_percent(scale.at(mark.value)), cy="50%", r=4, class_="mean"))
    return svg.element("svg", *parts, class_=f"forest {mark.look}", aria_hidden="true")


def _interval(mark: Mark, scale: Scale) -> list[Markup]:
    low, high = max(mark.low, scale.low), min(mark.high, scale.high)
    if high <= low or not isfinite(mark.high) or mark.high == -inf:
        return []
    ends = _percent(scale.at(low)), _percent(scale.at(high))
    parts = [svg.element("line", x1=ends[0], x2=ends[1], y1="50%", y2="50%", class_="interval")]
    if mark.low < scale.low:
        parts.append(svg.text("\N{BLACK LEFT-POINTING SMALL TRIANGLE}", x="0", y="50%", dy=".35em", class_="beyond"))
    if mark.high > scale.high:
        beyond = svg.text(
            "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", x="100%", y="50%", dy=".35em", text_anchor="end", class_="beyond"
        )
        parts.append(beyond)
    return parts


def _percent(place: float) -> str:
    return f"{place:.2f}%"

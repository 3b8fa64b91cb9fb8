"""A figure's frame: grid, ticks and titles, and the curves of strategies with their labels in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup

from labelbench_ray.report.page import svg
from labelbench_ray.report.page.palette import Style
from labelbench_ray.report.page.scales import Scale, padded, ticks
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Floats, bands
from labelbench_ray.report.statistics.two_way import RowParts

WIDTH: Final = 530.0
HEIGHT: Final = 310.0
LEFT: Final = 44.0
TOP: Final = 12.0
BOTTOM: Final = 44.0
LABELS: Final = 142.0
"""The width on the right where curves are labeled."""
LETTERS: Final = 20
"""Of a strategy's name at the end of a curve; the legend has it in full."""
GAP: Final = 14.0
"""Between the labels of two curves."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One strategy's values by seed (S) at its places on the horizontal axis (T)."""

    strategy: str
    x_T: Floats
    values_ST: Floats
    ends: tuple[Floats, Floats] | None = None
    """The interval where it is not that of the mean; the upper end may be infinite."""
    rows: RowParts | None = None
    """What test rows add to the variance of the means, in the same unit; None: intervals are over seeds only."""

    def bands(self) -> tuple[Floats, Floats, Floats]:
        """Mean, lower and upper end at every place."""
        return bands(self.values_ST, self.rows) if self.ends is None else (self.values_ST.mean(axis=0), *self.ends)


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """What is drawn. `key` names the figure's values in the page's data."""

    key: str
    title: str
    """Of the horizontal axis."""
    curves: tuple[Curve, ...]
    alt: str
    whole: bool = True
    """The horizontal axis counts something."""
    zero: bool = False
    """With a line at 0."""


def draw(plot: Plot, looks: Mapping[str, Style], shown: Collection[str]) -> Markup:
    """The figure: strategies that are shown in color over the others in thin gray."""
    across, up = _scales(plot)
    frame = _frame(plot, across, up)
    order = sorted(plot.curves, key=lambda curve: (curve.strategy in shown, looks[curve.strategy].place == 0))
    ends = dict(zip([curve.strategy for curve in plot.curves], _ends(plot.curves, shown, up), strict=True))
    groups = [
        _group(curve, looks[curve.strategy], curve.strategy in shown, ends[curve.strategy], across, up)
        for curve in order
    ]
    return svg.element(
        "svg",
        *frame,
        svg.element("g", *groups, clip_path="url(#plot-area)"),
        role="img",
        aria_label=plot.alt,
        viewBox=f"0 0 {svg.number(WIDTH)} {svg.number(HEIGHT)}",
        class_="plot",
        data_figure=plot.key,
    )


def axis_texts(title: str, across: Scale, *, whole: bool) -> list[Markup]:
    """The ticks and the title of a horizontal axis."""
    bottom = HEIGHT - BOTTOM
    marks = ticks(across.low, across.high, 6, whole=whole)
    texts = [
        svg.text(tick.text, x=across.at(tick.value), y=bottom + 16, text_anchor="middle", class_="tick")
        for tick in marks
    ]
    rule = svg.element("line", x1=across.start, x2=across.end, y1=bottom, y2=bottom, class_="axis")
    middle = (across.start + across.end) / 2
    return [rule, *texts, svg.text(title, x=middle, y=HEIGHT - 8, text_anchor="middle", class_="title")]


def grid(up: Scale, across: Scale, *, plus: str = "") -> list[Markup]:
    """Horizontal lines at the ticks of the vertical axis, with their texts."""
    lines: list[Markup] = []
    for tick in ticks(up.low, up.high, 6, plus=plus):
        y = up.at(tick.value)
        lines.append(svg.element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="grid"))
        lines.append(svg.text(tick.text, x=across.start - 6, y=y + 4, text_anchor="end", class_="tick"))
    return lines


def label(name: str) -> str:
    """A strategy's name, cut to what fits beside a curve."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _scales(plot: Plot) -> tuple[Scale, Scale]:
    ends = np.concatenate([curve.x_T[[0, -1]] for curve in plot.curves])
    left, right = float(ends.min()), float(ends.max())
    if right <= left:
        left, right = left - 1, right + 1
    low, high = _limits(plot.curves, zero=plot.zero)
    return Scale(left, right, LEFT, WIDTH - LABELS), Scale(low, high, HEIGHT - BOTTOM, TOP)


def _limits(curves: Sequence[Curve], *, zero: bool) -> tuple[float, float]:
    """Limits that show every mean; bands wider than half the means' range run out of the picture."""
    triples = [curve.bands() for curve in curves]
    means = np.concatenate([mean_T for mean_T, _, _ in triples] + ([np.zeros(1)] if zero else []))
    bottom, top = float(means.min()), float(means.max())
    room = max(0.5 * (top - bottom), 0.5)
    low = max(bottom - room, min(float(low_T.min()) for _, low_T, _ in triples))
    high = min(top + room, max(float(high_T.max()) for _, _, high_T in triples))
    return padded(min(low, bottom), max(high, top))


def _frame(plot: Plot, across: Scale, up: Scale) -> list[Markup]:
    parts = [*grid(up, across, plus="+" if plot.zero else ""), *axis_texts(plot.title, across, whole=plot.whole)]
    if plot.zero:
        y = up.at(0)
        parts.append(svg.element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="zero"))
    return parts


def _ends(curves: Sequence[Curve], shown: Collection[str], up: Scale) -> list[float]:
    """The heights of the labels: those that are shown keep apart, each other one lies where its curve ends."""
    wanted = [up.at(float(curve.values_ST[:, -1].mean())) for curve in curves]
    places = [place for place, curve in enumerate(curves) if curve.strategy in shown]
    moved = svg.apart([wanted[place] for place in places], GAP, TOP + 4, HEIGHT - BOTTOM)
    for place, height in zip(places, moved, strict=True):
        wanted[place] = height
    return wanted


def _group(curve: Curve, look: Style, shown: bool, end: float, across: Scale, up: Scale) -> Markup:
    mean_T, low_T, high_T = curve.bands()
    high_T = np.where(np.isfinite(high_T), high_T, 2 * up.high - up.low)  # beyond the picture, yet a number
    x_T = [across.at(x) for x in curve.x_T.tolist()]

    def points(values_T: Floats) -> list[tuple[float, float]]:
        return list(zip(x_T, [up.at(value) for value in values_T.tolist()], strict=True))

    middle = points(mean_T)
    if curve.ends is not None or len(curve.values_ST) >= ENOUGH_PAIRS:
        spread = svg.element("path", d=svg.area_path(points(high_T), points(low_T)), class_="band")
    else:
        seeds = "".join(svg.line_path(points(values_T)) for values_T in curve.values_ST)
        spread = svg.element("path", d=seeds, class_="seed") if len(curve.values_ST) > 1 else Markup()
    x, y = middle[-1]
    return svg.element(
        "g",
        spread,
        svg.element("path", d=svg.line_path(middle), class_="line", stroke_dasharray=look.dash),
        svg.element("path", d=svg.marks_path(middle, look.marker), class_="marks") if look.marker else Markup(),
        svg.element("path", d=svg.line_path([(x + 3, y), (x + 10, end)]), class_="leader"),
        svg.text(label(curve.strategy), x=x + 13, y=end + 4, class_="end"),
        class_=f"curve {look.color}{' on' if shown else ''}",
        data_series=look.place,
    )

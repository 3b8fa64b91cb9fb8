"""What the report's drawings share: axes, the look of a strategy, a curve with its band."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labelbench_ray.report import words
from labelbench_ray.report.curves import RANDOM as RANDOM_STRATEGY
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Floats, bands
from labelbench_ray.report.vector import GRID, INK, MUTED, RANDOM, SERIES

WIDTH: Final = 5.0
MARKERS: Final = "osD^vPX*"
LONGEST: Final = 26
"""Letters of a strategy's name beside a figure."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a strategy looks in every figure of the report."""

    color: str
    line: str
    marker: str
    place: int


def styles(strategies: tuple[str, ...]) -> dict[str, Style]:
    """Random grey and dashed; the others in order, from the ninth on with a dotted line."""
    others = [name for name in strategies if name != RANDOM_STRATEGY]
    cycle, lines = len(SERIES), ("-", ":", "-.")
    drawn = {
        name: Style(SERIES[place % cycle], lines[place // cycle % len(lines)], MARKERS[place % cycle], place + 1)
        for place, name in enumerate(others)
    }
    return {RANDOM_STRATEGY: Style(RANDOM, "--", "", 0)} | drawn


def curve_axes() -> tuple[Figure, Axes]:
    """Axes for something against the number of labels."""
    figure, axes = blank(3.0)
    axes.set_xlabel("number of labels", color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.count(value)))
    return figure, axes


def blank(height: float) -> tuple[Figure, Axes]:
    """A figure of the report's width; `height` in inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, length=3, width=0.7)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def curve(axes: Axes, labels_T: Floats, values_ST: Floats, look: Style) -> None:
    """A mean with the band of its interval; with few seeds, each seed thin instead."""
    mean_T, low_T, high_T = bands(values_ST)
    if len(values_ST) >= ENOUGH_PAIRS:
        axes.fill_between(labels_T, low_T, high_T, color=look.color, alpha=0.14, linewidth=0)
    else:
        axes.plot(labels_T, values_ST.T, color=look.color, linewidth=0.6, alpha=0.6)
    axes.plot(
        labels_T,
        mean_T,
        color=look.color,
        linestyle=look.line,
        linewidth=1.8,
        marker=look.marker or None,
        markersize=4,
        markeredgewidth=0,
        zorder=2 if look.place else 3,
    )


def fit(axes: Axes, curves: list[Floats]) -> None:
    """Limits that show every mean; bands wider than half the means' range run out of the picture."""
    triples = [bands(values_ST) for values_ST in curves]
    means = np.concatenate([mean_T for mean_T, _, _ in triples])
    bottom, top = float(means.min()), float(means.max())
    room = max(0.5 * (top - bottom), 0.5)
    low = max(bottom - room, min(float(low_T.min()) for _, low_T, _ in triples))
    high = min(top + room, max(float(high_T.max()) for _, _, high_T in triples))
    pad = 0.05 * (high - low) + 0.05
    axes.set_ylim(low - pad, high + pad)
    axes.yaxis.set_major_formatter(number(0 if high - low > 4 else 1))


def short(name: str) -> str:
    """A strategy's name, cut to what fits beside a figure."""
    return name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."


def number(decimals: int) -> FuncFormatter:
    """Ticks with a real minus sign."""
    return FuncFormatter(lambda value, _: words.signed(value, decimals, plus=""))

"""The figure that a paper prints, as a vector drawing: learning curves and gains of every setting.

Drawn by matplotlib for white paper; text stays text (SVG) or embedded TrueType (PDF), so that it can be edited.
"""

import io
from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labelbench_ray.console.escaping import escaped
from labelbench_ray.report import words
from labelbench_ray.report.sections import Report
from labelbench_ray.report.statistics.comparison import ALONE, Comparison, at_checkpoints
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, bands
from labelbench_ray.report.strategy_lines import by_gain

COLORS: Final = ("#0072b2", "#d55e00", "#008a63", "#a8449a", "#a87b00")
"""Okabe and Ito's, the light ones darkened to stand on white."""
MARKERS: Final = "osD^v"
BASELINE: Final = "#1f2328"
OTHERS: Final = "#b4bbc3"
FRAME: Final = "#59636e"
SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "labelbench",
    "pdf.fonttype": 42,
    "font.size": 8.0,
    "axes.unicode_minus": True,
    "text.parse_math": False,
}
WIDTH: Final = 6.75
"""Inches: the width of a page with two columns."""
CURVES_HEIGHT: Final = 2.4
"""Inches: the least height of a setting."""
LINE_HEIGHT: Final = 0.17
MARGIN: Final = 0.75
"""Inches: of a strategy's line, and what is beside these lines."""
LONGEST: Final = 34
"""Letters of a strategy's name."""


def figure(report: Report, kind: Literal["svg", "pdf"]) -> bytes:
    """Two pictures for each setting with a curve: the metric against labels, and the gains; the same bytes each time.

    In color: the baseline (dashed) and the best five strategies; the others are gray.
    """
    shown = [(section.title, section.main) for section in report.sections if section.main]
    heights = [max(CURVES_HEIGHT, MARGIN + LINE_HEIGHT * len(comparison.rows)) for _, comparison in shown]
    file = io.BytesIO()
    with rc_context(SETTINGS):
        drawing = Figure(figsize=(WIDTH, sum(heights) or 1.0), layout="constrained")
        grid: Any = drawing.subplots(len(shown), 2, squeeze=False, height_ratios=heights) if shown else []
        for (title, comparison), (left, right) in zip(shown, grid, strict=True):
            looks = _looks(comparison)
            _curves(left, comparison, looks)
            _gains(right, comparison, looks)
            left.set_title(escaped(title) if len(shown) > 1 else "", loc="left", fontsize=8.5)
        dates = {"Date": None} if kind == "svg" else {"CreationDate": None}
        drawing.savefig(file, format=kind, metadata=dates)
    return file.getvalue()


def _looks(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """Color and marker of the strategies in color."""
    best = [row.strategy for row in by_gain(comparison) if row.strategy != comparison.baseline][: len(COLORS)]
    return {comparison.baseline: (BASELINE, "")} | dict(zip(best, zip(COLORS, MARKERS, strict=True), strict=False))


def _curves(axes: Axes, comparison: Comparison, looks: Mapping[str, tuple[str, str]]) -> None:
    """Means over seeds with their intervals; those in color have a name in the legend."""
    _frame(axes)
    for row in sorted(comparison.rows, key=lambda row: row.strategy in looks):
        found = bands(row.curves.values_ST, at_checkpoints(row.noise, 1, ALONE))
        labels_T, mean, low, high = row.curves.labels_T, *(100 * each_T for each_T in found)
        color, marker = looks.get(row.strategy, (OTHERS, ""))
        if row.strategy in looks and len(row.curves.seeds) >= ENOUGH_PAIRS:
            axes.fill_between(labels_T, low, high, color=color, alpha=0.13, linewidth=0)
        axes.plot(
            labels_T,
            mean,
            color=color,
            marker=marker or None,
            markersize=3,
            linewidth=1.3 if row.strategy in looks else 0.7,
            linestyle="--" if row.strategy == comparison.baseline else "-",
            label=_short(row.strategy) if row.strategy in looks else None,
        )
    means = np.concatenate([100 * row.curves.values_ST.mean(axis=0) for row in comparison.rows])
    room = max(0.1 * float(np.ptp(means)), 0.5)
    axes.set_ylim(float(means.min()) - room, float(means.max()) + room)
    axes.set_xlabel("number of labels")
    axes.set_ylabel(f"{comparison.metric} (%)")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.count(value)))
    axes.legend(frameon=False, fontsize=7, loc="lower right")


def _gains(axes: Axes, comparison: Comparison, looks: Mapping[str, tuple[str, str]]) -> None:
    """One line a strategy, the best on top: the gain over the baseline with its interval; without one, the mean."""
    _frame(axes)
    rows = [row for row in reversed(by_gain(comparison)) if row.difference or not comparison.compared]
    for height, row in enumerate(rows):
        found = row.difference.area if row.difference else row.area
        color, marker = looks.get(row.strategy, (FRAME, "o"))
        if found.has_interval:
            axes.plot([100 * found.low, 100 * found.high], [height, height], color=color, linewidth=1.1)
        axes.plot([100 * found.value], [height], marker=marker or "o", color=color, markersize=4, linestyle="")
    if comparison.compared:
        axes.axvline(0, color=BASELINE, linestyle="--", linewidth=0.9)
    axes.set_yticks(range(len(rows)), [_short(row.strategy) for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(_gain_label(comparison))


def _gain_label(comparison: Comparison) -> str:
    if not comparison.compared:
        return f"mean {comparison.noun} over the curve (%)"
    return f"gain over {_short(comparison.baseline)} in mean {comparison.noun} (points)"


def _frame(axes: Axes) -> None:
    axes.grid(color="#e4e7eb", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=2.5, width=0.6)


def _short(name: str) -> str:
    safe = escaped(name)
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 3]}..."

"""The report's drawings: learning curves, paired differences from random, and label savings."""

from math import ceil, isfinite

import numpy as np
from matplotlib.axes import Axes

from labelbench_ray.report import words
from labelbench_ray.report.curves import RANDOM as RANDOM_STRATEGY
from labelbench_ray.report.drawing import Style, blank, curve, curve_axes, fit, number, short
from labelbench_ray.report.statistics.comparison import Comparison, Curves, Row
from labelbench_ray.report.statistics.paired import Floats
from labelbench_ray.report.vector import MUTED, RANDOM, inline


def learning_curves(comparison: Comparison, looks: dict[str, Style], name: str) -> str:
    """Mean curves of all strategies with their intervals."""
    figure, axes = curve_axes()
    for row in comparison.rows:
        curve(axes, row.curves.labels_T, 100 * row.curves.values_ST, looks[row.strategy])
    fit(axes, [100 * row.curves.values_ST for row in comparison.rows])
    ends = ", ".join(f"{row.strategy} {words.percent(row.final.value)}" for row in comparison.rows)
    return inline(figure, name, f"{comparison.metric} against the number of labels. At the end: {ends}.")


def differences(comparison: Comparison, looks: dict[str, Style], name: str) -> str:
    """Paired differences from random at every checkpoint; empty without any."""
    rows = [row for row in comparison.rows if row.difference is not None]
    reference = comparison.row(RANDOM_STRATEGY)
    if not rows or reference is None:
        return ""
    figure, axes = curve_axes()
    axes.axhline(0, color=RANDOM, linestyle="--", linewidth=1.6, zorder=2)
    gains = [(row, 100 * _gain(row, reference.curves)) for row in rows]
    for row, gain_ST in gains:
        curve(axes, row.curves.labels_T, gain_ST, looks[row.strategy])
    fit(axes, [gain_ST for _, gain_ST in gains] + [np.zeros((1, 1))])
    ends = ", ".join(f"{row.strategy} {words.points(row.difference.final)}" for row in rows if row.difference)
    return inline(figure, name, f"{comparison.metric} less random's, paired by seed, in points. At the end: {ends}.")


def savings(comparison: Comparison, looks: dict[str, Style], name: str) -> str:
    """Labels saved at random's highest mean of the metric, one line a strategy with its interval; empty without any."""
    shown = (row for row in comparison.rows if row.difference is not None and not row.difference.saving.moot)
    rows = sorted(shown, key=_saving_order)
    if not rows:
        return ""
    figure, axes = blank(0.9 + 0.34 * len(rows))
    worst = min([0.0, *(end for row in rows for end in _ends(row) if isfinite(end))])
    left = max(-100.0, worst) - (24 if any(not isfinite(_ends(row)[1]) for row in rows) else 12)
    axes.set_xlim(left, 104)
    axes.set_xticks(range(20 * ceil(max(-100.0, worst) / 20), 101, 20))
    axes.axvline(0, color=RANDOM, linestyle="--", linewidth=1.4)
    for height, row in enumerate(rows):
        _forest_line(axes, row, height, left, looks[row.strategy])
    axes.set_yticks(range(len(rows)), [short(row.strategy) for row in rows], parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("labels saved, % of random's", color=MUTED)
    axes.xaxis.set_major_formatter(number(0))
    texts = "; ".join(
        f"{row.strategy}: {words.saved_fully(row.difference.saving)}" for row in reversed(rows) if row.difference
    )
    return inline(figure, name, f"Labels saved at random's highest mean {comparison.noun}. {texts}.")


def _gain(row: Row, reference: Curves) -> Floats:
    assert row.difference is not None
    gain_ST: Floats = row.curves.at(row.difference.seeds) - reference.at(row.difference.seeds)
    return gain_ST


def _ends(row: Row) -> tuple[float, float, float]:
    """Worst, measured and best saving, in per cent."""
    assert row.difference is not None
    saving = row.difference.saving
    worst, best = (saving.high_labels, saving.low_labels) if saving.has_interval else (saving.labels, saving.labels)
    return 100 * saving.part(worst), 100 * saving.fraction, 100 * saving.part(best)


def _saving_order(row: Row) -> tuple[float, float, str]:
    _, middle, best = _ends(row)
    return middle, best, row.strategy


def _forest_line(axes: Axes, row: Row, height: int, left: float, look: Style) -> None:
    assert row.difference is not None
    saving = row.difference.saving
    worst, middle, best = _ends(row)
    if isfinite(best):
        axes.plot([max(worst, left), best], [height, height], color=look.color, linewidth=2, solid_capstyle="butt")
        if worst < left:
            axes.plot(left + 1.5, height, marker="<", color=look.color, markersize=5, clip_on=False)
        if saving.low_labels <= saving.first_labels:
            axes.plot(best, height, marker=">", color=look.color, markersize=5)
    if isfinite(middle):
        axes.plot(max(middle, left), height, marker=look.marker or "o", color=look.color, markersize=5.5)
    else:
        beside, above = (5, 5) if isfinite(best) else (1, -3)
        axes.annotate(
            "not reached",
            (left + beside, height),
            xytext=(0, above),
            textcoords="offset points",
            color=MUTED,
            fontsize=8,
        )

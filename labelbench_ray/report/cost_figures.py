"""Drawings of cost and contribution: accuracy against computing time and money, and what each part adds."""

from math import ceil, log10

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labelbench_ray.report import words
from labelbench_ray.report.contributions import Ablation
from labelbench_ray.report.costs import CostCurve
from labelbench_ray.report.drawing import Style, blank, curve, fit, number, short
from labelbench_ray.report.statistics.comparison import Comparison
from labelbench_ray.report.statistics.paired import Estimate, Floats
from labelbench_ray.report.threshold import Block, Threshold
from labelbench_ray.report.vector import MUTED, RANDOM, SERIES, inline

UNITS = ((2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""(the least number of seconds, seconds in one, the unit's name)"""


def against_computing(
    comparison: Comparison, cost_curves: tuple[CostCurve, ...], looks: dict[str, Style], name: str
) -> str:
    """Mean accuracy against the CPU and GPU time spent until then."""
    most = max(float(cost_curve.computing_T[-1]) for cost_curve in cost_curves)
    _, seconds, unit = next(line for line in UNITS if most >= line[0])
    drawn = {cost_curve.strategy: cost_curve.computing_T / seconds for cost_curve in cost_curves}
    return _against(comparison, drawn, looks, name, f"{unit} of CPU and GPU")


def against_money(
    comparison: Comparison, cost_curves: tuple[CostCurve, ...], looks: dict[str, Style], name: str, currency: str
) -> str:
    """Mean accuracy against the money spent on labels and computing until then."""
    drawn = {cost_curve.strategy: cost_curve.money_T for cost_curve in cost_curves}
    return _against(comparison, drawn, looks, name, f"money for labels and computing, {currency}")


def contributions(ablation: Ablation, name: str) -> str:
    """One line a part: its mean contribution with the interval, and a dot for each combination of the others."""
    lines: list[tuple[str, Estimate, list[float]]] = [
        (part.name, part.effect, [100 * estimate.value for _, estimate in part.contexts]) for part in ablation.parts
    ]
    lines += [("all together", ablation.together, [])] if ablation.together else []
    lines.reverse()
    figure, axes = blank(0.9 + 0.38 * len(lines))
    axes.axvline(0, color=RANDOM, linestyle="--", linewidth=1.4)
    for height, (_, effect, dots) in enumerate(lines):
        color = SERIES[0] if dots else SERIES[1]
        axes.plot(dots, [height] * len(dots), linestyle="", marker="o", markersize=3.5, color=MUTED, alpha=0.6)
        if effect.has_interval:
            axes.plot([100 * effect.low, 100 * effect.high], [height] * 2, color=color, linewidth=2)
        axes.plot(100 * effect.value, height, marker="o", color=color, markersize=5)
    axes.set_yticks(range(len(lines)), [short(line[0]) for line in lines], parse_math=False)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"points of final {ablation.noun}", color=MUTED)
    low, high = axes.get_xlim()
    axes.xaxis.set_major_formatter(number(0 if high - low > 4 else 1))
    texts = "; ".join(f"{text}: {words.points(effect)}" for text, effect, _ in reversed(lines))
    return inline(figure, name, f"What each part adds to final {ablation.noun}, in points. {texts}.")


def fidelity(measured: tuple[Block, ...], found: Threshold | None, name: str) -> str:
    """Accuracy gap against batch overlap, one dot a trial and round, one color a number of labels."""
    figure, axes = blank(3.0)
    axes.axhline(0, color=RANDOM, linestyle="--", linewidth=1.4)
    counts = sorted({labels for block in measured for labels in block.labels})
    for block in measured:
        for labels, overlap_R, gap_R in zip(block.labels, block.overlap_RL.T, block.gap_RL.T, strict=True):
            color = SERIES[counts.index(labels) % len(SERIES)]
            axes.plot(overlap_R, 100 * gap_R, linestyle="", marker="o", markersize=4, color=color, alpha=0.55)
    if found is not None and found.overlap is not None:
        axes.axvline(found.overlap, color=MUTED, linestyle=":", linewidth=1.4)
    axes.set_xlabel("overlap of the batches", color=MUTED)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    low, high = axes.get_ylim()
    axes.yaxis.set_major_formatter(number(0 if high - low > 4 else 1))
    points = sum(block.gap_RL.size for block in measured)
    return inline(figure, name, f"Accuracy gap against batch overlap of {points} trials and rounds.")


def _against(comparison: Comparison, xs: dict[str, Floats], looks: dict[str, Style], name: str, label: str) -> str:
    figure, axes = blank(3.0)
    axes.set_xlabel(label, color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    ends_X = np.array([[x_T[0], x_T[-1]] for x_T in xs.values()])
    span = float(ends_X.max() - ends_X.min())
    decimals = min(6, max(0, ceil(-log10(span / 6)))) if span > 0 else 2
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.{decimals}f}"))
    rows = [row for row in comparison.rows if row.strategy in xs]
    for row in rows:
        curve(axes, xs[row.strategy], 100 * row.curves.values_ST, looks[row.strategy])
    fit(axes, [100 * row.curves.values_ST for row in rows])
    ends = ", ".join(f"{row.strategy} {words.percent(row.final.value)} at {xs[row.strategy][-1]:,.2f}" for row in rows)
    return inline(figure, name, f"{comparison.metric} against {label}. At the end: {ends}.")

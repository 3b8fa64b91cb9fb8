"""The curves of the report: a metric, and its paired difference from the baseline, against labels, time and money."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from labelbench_ray.report import words
from labelbench_ray.report.costs import CostCurve
from labelbench_ray.report.page.axes import Curve, Plot, draw
from labelbench_ray.report.page.palette import Style
from labelbench_ray.report.relative import Relative
from labelbench_ray.report.statistics.comparison import ALONE, Comparison, Curves, Row, at_checkpoints
from labelbench_ray.report.statistics.paired import Floats

UNITS = ((2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""(the least number of seconds, seconds in one, the unit's name)"""
LABELS = "number of labels"
Looks = Mapping[str, Style]


def learning_curves(
    comparison: Comparison, looks: Looks, shown: Collection[str], key: str, bounds: Sequence[Curves] = ()
) -> Markup:
    """Mean curves of all strategies, and of upper bounds, with their intervals."""
    curves = curves_in_percent(comparison, bounds)
    every = [*(row.curves for row in comparison.rows), *bounds]
    ends = ", ".join(f"{each.strategy} {words.percent(float(each.values_ST[:, -1].mean()))}" for each in every)
    alt = f"{comparison.metric} against the number of labels. At the end: {ends}."
    return draw(Plot(key, LABELS, curves, alt), looks, shown)


def differences(comparison: Comparison, looks: Looks, shown: Collection[str], key: str) -> Markup:
    """Paired differences from the baseline at every checkpoint; empty without any."""
    gains = gain_curves(comparison)
    if not gains:
        return Markup()
    finals = {row.strategy: row.difference.final for row in comparison.rows if row.difference}
    ends = ", ".join(f"{gain.strategy} {words.points(finals[gain.strategy])}" for gain in gains)
    alt = f"{comparison.metric} less that of {comparison.baseline}, paired by seed, in points. At the end: {ends}."
    return draw(Plot(key, LABELS, gains, alt, zero=True), looks, shown)


def gain_curves(comparison: Comparison) -> tuple[Curve, ...]:
    """The differences from the baseline in points; none without a baseline."""
    reference = comparison.row(comparison.baseline)
    if reference is None:
        return ()
    return tuple(
        Curve(
            row.strategy, row.curves.labels_T, 100 * _gain(row, reference.curves), rows=at_checkpoints(found.noise, 100)
        )
        for row in comparison.rows
        if (found := row.difference) is not None
    )


def curves_in_percent(comparison: Comparison, bounds: Sequence[Curves]) -> tuple[Curve, ...]:
    """All strategies, and upper bounds, whose intervals are over seeds only."""
    strategies = [_in_percent(row, row.curves.labels_T) for row in comparison.rows]
    return (*strategies, *(Curve(each.strategy, each.labels_T, 100 * each.values_ST) for each in bounds))


def _in_percent(row: Row, x_T: Floats) -> Curve:
    """A strategy's values at these places on the horizontal axis."""
    return Curve(row.strategy, x_T, 100 * row.curves.values_ST, rows=at_checkpoints(row.noise, 100, ALONE))


def speed_ups(found: Sequence[Relative], baseline: str, looks: Looks, shown: Collection[str], key: str) -> Markup:
    """How many times the strategy's labels the baseline needs, at every checkpoint; empty with fewer than two."""
    if not found or len(found[0].speed.labels_T) < 2:
        return Markup()
    labels_T = found[0].speed.labels_T
    curves = [
        Curve(
            each.strategy,
            each.speed.labels_T,
            each.speed.factors_T[None],
            (each.speed.low_T, each.speed.high_T) if each.seeds > 1 else None,
        )
        for each in found
    ]
    itself = Curve(baseline, labels_T, np.ones((1, len(labels_T))))
    ends = ", ".join(f"{each.strategy} {words.times(float(each.speed.factors_T[-1]))}" for each in found)
    alt = f"Labels that {baseline} needs over those of each strategy. At the end: {ends}."
    return draw(Plot(key, LABELS, (itself, *curves), alt), looks, shown)


def against_computing(
    comparison: Comparison, spending: tuple[CostCurve, ...], looks: Looks, shown: Collection[str], key: str
) -> Markup:
    """The metric against the CPU and GPU time spent until then."""
    seconds, unit = time_unit(spending)
    drawn = {curve.strategy: curve.computing_T / seconds for curve in spending}
    return _against(comparison, drawn, f"{unit} of CPU and GPU", looks, shown, key)


def against_money(
    comparison: Comparison,
    spending: tuple[CostCurve, ...],
    looks: Looks,
    shown: Collection[str],
    key: str,
    currency: str,
) -> Markup:
    """The metric against the money spent on labels and computing until then."""
    drawn = {curve.strategy: curve.money_T for curve in spending}
    return _against(comparison, drawn, f"money for labels and computing, {currency}", looks, shown, key)


def time_unit(spending: tuple[CostCurve, ...]) -> tuple[float, str]:
    """The seconds in a unit that suits the longest time, and the unit's name."""
    most = max(float(curve.computing_T[-1]) for curve in spending)
    return next((seconds, name) for least, seconds, name in UNITS if most >= least)


def _against(
    comparison: Comparison, xs: Mapping[str, Floats], title: str, looks: Looks, shown: Collection[str], key: str
) -> Markup:
    rows = [row for row in comparison.rows if row.strategy in xs]
    curves = tuple(_in_percent(row, xs[row.strategy]) for row in rows)
    ends = ", ".join(f"{row.strategy} {words.percent(row.final.value)} at {xs[row.strategy][-1]:,.2f}" for row in rows)
    alt = f"{comparison.metric} against {title}. At the end: {ends}."
    return draw(Plot(key, title, curves, alt, whole=False), looks, shown)


def _gain(row: Row, reference: Curves) -> Floats:
    assert row.difference is not None
    gain_ST: Floats = row.curves.at(row.difference.seeds) - reference.at(row.difference.seeds)
    return gain_ST

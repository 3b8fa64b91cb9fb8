"""The values behind the page's curves, for its script: values under the pointer, and the explorer."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from labelbench_ray.report.costs import CostCurve, cost_curve
from labelbench_ray.report.page.axes import Curve
from labelbench_ray.report.page.figures import Looks, curves_in_percent, gain_curves, time_unit
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.statistics.comparison import Comparison, Curves
from labelbench_ray.report.statistics.paired import Floats

DECIMALS = 2


def explored(report: Report, looks: Looks) -> dict[str, Any]:
    """Strategies by their place in the legend, and each setting's curves by metric.

    A curve is its mean and the ends of its interval at the metric's numbers of labels; with one seed, the mean alone.
    """
    sections = [_section(report, section, looks) for section in report.sections]
    return {"strategies": {look.place: name for name, look in looks.items()}, "sections": sections}


def spending(report: Report, section: Section) -> tuple[CostCurve, ...]:
    """What each strategy of the metric that decides has spent at each of its numbers of labels."""
    main = section.main
    if main is None:
        return ()
    return tuple(
        cost_curve(row.strategy, section.setting, main.labels, report.embeddings, report.prices) for row in main.rows
    )


def _section(report: Report, section: Section, looks: Looks) -> dict[str, Any]:
    spent = spending(report, section)
    if section.main is None:
        return {"metrics": [], "costs": {}}
    seconds, unit = time_unit(spent)
    return {
        "metrics": [
            metric_values(comparison, looks, section.bounds if comparison is section.main else ())
            | _speed(section, comparison, looks)
            for comparison in section.comparisons
        ],
        "costs": {
            f"{unit} of CPU and GPU": {
                looks[each.strategy].place: _rounded(each.computing_T / seconds) for each in spent
            },
            report.prices.currency: {looks[each.strategy].place: _rounded(each.money_T) for each in spent},
        },
        "baseline": looks[section.main.baseline].place,
    }


def metric_values(comparison: Comparison, looks: Looks, bounds: Sequence[Curves] = ()) -> dict[str, Any]:
    """One metric's curves and gains, by the strategies' places in the legend; of upper bounds their curves."""
    values = curves_in_percent(comparison, bounds)
    return {
        "name": comparison.metric,
        "labels": list(comparison.labels),
        "value": _curves(values, looks),
        "gain": _curves(gain_curves(comparison), looks),
    }


def _speed(section: Section, comparison: Comparison, looks: Looks) -> dict[str, Any]:
    """The speed-ups, without their intervals, whose ends may be infinite; of the metric that decides alone."""
    if comparison is not section.main:
        return {}
    every = {looks[each.strategy].place: [_rounded(each.speed.factors_T)] for each in section.relatives}
    return {"speed": every | {looks[comparison.baseline].place: [[1.0] * len(comparison.labels)]}}


def _curves(curves: Iterable[Curve], looks: Looks) -> dict[int, list[list[float]]]:
    return {looks[curve.strategy].place: _triple(curve) for curve in curves}


def _triple(curve: Curve) -> list[list[float]]:
    mean_T, low_T, high_T = curve.bands()
    return [_rounded(each_T) for each_T in ((mean_T, low_T, high_T) if len(curve.values_ST) > 1 else (mean_T,))]


def _rounded(values_T: Floats) -> list[float]:
    """With few digits: the page shows no more of them."""
    assert all(map(isfinite, values_T.tolist()))
    return [round(value, DECIMALS) if abs(value) >= 1 else float(f"{value:.3g}") for value in values_T.tolist()]

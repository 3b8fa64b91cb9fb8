"""What more labels would bring each strategy: forecasts of its mean curve, one batch on and with twice the labels."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.comparison import Comparison
from labelbench_ray.report.statistics.forecast import LEAST_ROUNDS, THRESHOLD, Call, Forecast, forecast
from labelbench_ray.report.statistics.money import Range, points_per_thousand

SHARES: Final = ("Accuracy", "mAP")
"""Ends of the names of metrics that lie between 0 and 1, and of which a quarter of a point is a quarter of a point."""
TARGETS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """The forecast of a strategy's mean curve over its seeds, from its own last round on."""

    strategy: str
    labels: float
    """After the last round that all of its seeds have."""
    value: float
    """The mean there."""
    forecast: Forecast
    """One batch on, and with twice the labels, as far as the pool has so many rows."""

    def call(self, target: int) -> Call:
        """Whether a target is worth its labels; unclear where no earlier forecast of the curve held, or was far off."""
        return self.forecast.advised(target)

    def points(self, target: int) -> Range:
        """Percentage points for each 1,000 of the labels up to a target."""
        labels = float(self.forecast.labels_M[target]) - self.labels
        return points_per_thousand(self.forecast.gains_RM[:, target], labels)


def outlooks(setting: Setting, main: Comparison | None) -> tuple[Outlook, ...]:
    """One for each strategy whose curve has enough rounds, in the comparison's order; none of other metrics."""
    if main is None or not main.metric.endswith(SHARES):
        return ()
    pool = min((run.data.rows["pool"] for run in setting.runs if "pool" in run.data.rows), default=np.inf)
    found = (_outlook(list(setting.by_seed(row.strategy).values()), main.metric, pool) for row in main.rows)
    return tuple(each for each in found if each)


def _outlook(runs: list[Run], metric: str, pool: float) -> Outlook | None:
    curves = [curve for run in runs if (curve := run.curve(metric))]
    labels = sorted(set.intersection(*map(set, curves))) if curves else []
    labels_T = np.array([count for count in labels if count > 0], np.float64)
    if len(labels_T) < LEAST_ROUNDS:
        return None
    mean_T = np.mean([[curve[int(count)] for count in labels_T] for curve in curves], axis=0)
    last, before = labels_T[-1], labels_T[-2]
    targets_M = np.array([target for target in (2 * last - before, 2 * last) if target <= pool])
    if not len(targets_M):
        return None
    return Outlook(runs[0].strategy, float(last), float(mean_T[-1]), forecast(labels_T, mean_T, targets_M))


def outlook_table(found: tuple[Outlook, ...], noun: str) -> Table:
    """Each strategy's value now and at each target with its band, and whether the labels are likely to be worth it."""
    if not found:
        return Table((), ())
    more = f"{words.signed(100 * THRESHOLD, 2, plus='')} points more?"
    return Table(
        (
            "strategy",
            f"{noun} now",
            "one more batch",
            more,
            "points per 1,000 labels",
            "twice the labels",
            more,
            "points per 1,000 labels",
            "earlier forecasts that held",
        ),
        tuple(
            (
                Cell(each.strategy, f"{words.count(each.labels)} labels"),
                Cell(words.percent(each.value)),
                *(cell for target in range(TARGETS) for cell in _target(each, target)),
                Cell(f"{each.forecast.held} of {each.forecast.backtests}"),
            )
            for each in found
        ),
    )


def _target(found: Outlook, target: int) -> tuple[Cell, Cell, Cell]:
    ahead = found.forecast
    if target >= len(ahead.labels_M):  # the pool has fewer rows
        return NOTHING, NOTHING, NOTHING
    low, high = np.clip([ahead.low_M[target], ahead.high_M[target]], 0, 1)
    band = f"{words.percent(float(low))} to {words.percent(float(high))}"
    points = found.points(target)
    low_points, middle, high_points = (words.signed(each, 1, "") for each in (points.low, points.median, points.high))
    return (
        Cell(words.percent(float(ahead.accuracies_M[target])), band),
        Cell(found.call(target).value),
        Cell(middle, f"{low_points} to {high_points}"),
    )

"""What more labels would bring each strategy: forecasts of its mean curve, one batch on and with twice the labels."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.cells import Cell, Table
from labelbench_ray.report.statistics.comparison import Comparison, Row
from labelbench_ray.report.statistics.forecast import LEAST_ROUNDS, THRESHOLD, Call, Forecast, forecast

WORDS: Final = {Call.LIKELY: "likely", Call.UNCLEAR: "unclear", Call.UNLIKELY: "unlikely"}


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """The forecast of a strategy's mean curve over its seeds, at two targets."""

    strategy: str
    value: float
    """The mean at the last round."""
    forecast: Forecast


def outlooks(main: Comparison | None) -> tuple[Outlook, ...]:
    """One for each strategy, in the comparison's order; none of fewer rounds than a forecast needs."""
    if main is None or len(main.labels) < LEAST_ROUNDS:
        return ()
    return tuple(_outlook(row) for row in main.rows)


def _outlook(row: Row) -> Outlook:
    labels_T, mean_T = row.curves.labels_T, row.curves.values_ST.mean(axis=0)
    targets = np.unique([2 * labels_T[-1] - labels_T[-2], 2 * labels_T[-1]])
    return Outlook(row.strategy, float(mean_T[-1]), forecast(labels_T, mean_T, targets))


def outlook_table(found: tuple[Outlook, ...], noun: str) -> Table:
    """Each strategy's value now and at each target with its band, and whether the labels are likely to be worth it."""
    if not found:
        return Table((), ())
    more = f"{words.signed(100 * THRESHOLD, 2, plus='')} points more?"
    targets = [head for labels in found[0].forecast.labels_M for head in (f"at {words.count(labels)} labels", more)]
    return Table(
        ("strategy", f"{noun} now", *targets, "earlier forecasts that held"),
        tuple(
            (
                Cell(each.strategy),
                Cell(words.percent(each.value)),
                *(cell for target in range(len(each.forecast.labels_M)) for cell in _target(each.forecast, target)),
                Cell(f"{each.forecast.held} of {each.forecast.backtests}"),
            )
            for each in found
        ),
    )


def _target(found: Forecast, target: int) -> tuple[Cell, Cell]:
    band = " to ".join(words.percent(float(end[target])) for end in (found.low_M, np.minimum(found.high_M, 1)))
    return Cell(words.percent(float(found.accuracies_M[target])), band), Cell(WORDS[found.call(target)])

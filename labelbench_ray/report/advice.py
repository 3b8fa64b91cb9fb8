"""Is the next batch worth it? The advice in words, from the accuracies of the rounds so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.statistics.forecast import LEAST_ROUNDS, THRESHOLD, Call, Forecast, forecast
from labelbench_ray.report.statistics.money import Stakes, Worth, batch_value, decide, points_per_thousand

BATCHES: Final = (1, 4)
"""One batch often gains less than the noise of one run, so that several are judged at once, too."""
_OF_90_TO_95: Final = 1.645 / 1.960


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's accuracy after some labels, with its 95 % interval, such as that of the audit rows."""

    labels: int
    """That the model was trained on."""
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What to do about the next batch, and why."""

    call: Call | None
    """Whether the next batch brings a quarter of a point; None while there are too few rounds for a forecast."""
    worth: Worth | None
    """By the money rule; None without stakes or a forecast."""
    sentences: tuple[str, ...]
    forecast: Forecast | None


def advice(
    rounds: Sequence[Measured],
    batch: int,
    pool: int | None = None,
    stakes: Stakes | None = None,
    currency: str = "USD",
) -> Advice:
    """Whether the next batch is worth it.

    The accuracies are of one set of rows: score earlier models on all audit rows that have answers by now. Of rounds
    with as many labels as the one before, the last counts.

    Args:
        rounds: in order; their labels do not decrease.
        batch: the labels of the next batch.
        pool: the rows that can be labeled in all; None: no limit.
        stakes: for the money rule; None: points per 1,000 labels are stated instead.
        currency: of the prices.
    """
    kept = list({each.labels: each for each in rounds if each.labels > 0}.values())
    if len(kept) < LEAST_ROUNDS:
        return Advice(None, None, (_too_few(len(kept)),), None)
    labels_T = np.array([each.labels for each in kept], np.float64)
    last = kept[-1]
    targets_M = [
        last.labels + count * batch for count in BATCHES if pool is None or last.labels + count * batch <= pool
    ]
    if not targets_M:
        return Advice(None, None, (f"The pool has no {batch:,} further rows to label.",), None)
    ahead = forecast(labels_T, np.array([each.accuracy for each in kept]), np.array(targets_M, np.float64))
    calls = [ahead.advised(target) for target in range(len(targets_M))]
    worth = None
    if stakes is not None:
        worth = decide(ahead.gains_RM[:, 0], batch, stakes) if ahead.trusted else Worth.UNCLEAR
    sentences = (
        _forecast_sentence(last, ahead, batch),
        _call_sentence(calls, batch),
        _points_sentence(ahead, batch) if stakes is None else _money_sentence(ahead, batch, stakes, worth, currency),
        f"Of the last {ahead.backtests:,} forecasts of this curve, {ahead.held:,} held.",
    )
    return Advice(calls[0], worth, sentences, ahead)


def _too_few(count: int) -> str:
    return f"No forecast yet: it needs {LEAST_ROUNDS} rounds with a measured accuracy, and there are {count:,}."


def _forecast_sentence(last: Measured, ahead: Forecast, batch: int) -> str:
    """The band holds what will be measured; the measurement has an error of its own beside it."""
    measured = _OF_90_TO_95 * (last.high - last.low) / 2
    center = float(ahead.accuracies_M[0])
    low = center - hypot(center - float(ahead.low_M[0]), measured)
    high = center + hypot(float(ahead.high_M[0]) - center, measured)
    return (
        f"Accuracy is {words.percent(last.accuracy)} ({_to(last.low, last.high)}) with {last.labels:,} labels. With "
        f"{batch:,} more, {words.percent(center)} is forecast (90 %: {_to(max(low, 0), min(high, 1))})."
    )


def _call_sentence(calls: Sequence[Call], batch: int) -> str:
    least = words.signed(100 * THRESHOLD, 2, plus="")
    parts = [f"{call} with {count * batch:,} more labels" for call, count in zip(calls, BATCHES, strict=False)]
    return f"A gain of {least} points or more is {' and '.join(parts)}."


def _points_sentence(ahead: Forecast, batch: int) -> str:
    found = points_per_thousand(ahead.gains_RM[:, 0], batch)
    low, middle, high = (words.signed(each, 1, plus="") for each in (found.low, found.median, found.high))
    return (
        f"The next {batch:,} labels bring about {middle} points per 1,000 labels (eight of ten refits: {low} to "
        f"{high}); give the number of decisions and the cost of an error to compare that with the price."
    )


def _money_sentence(ahead: Forecast, batch: int, stakes: Stakes, worth: Worth | None, currency: str) -> str:
    value = batch_value(ahead.gains_RM[:, 0], stakes)
    low, high, cost = (words.money(each, currency) for each in (value.low, value.high, stakes.cost(batch)))
    doubt = "" if ahead.trusted else " (earlier forecasts of this curve were far off)"
    return f"The next {batch:,} labels cost {cost} and are worth {low} to {high} (80 %): {worth}{doubt}."


def _to(low: float, high: float) -> str:
    return f"{words.percent(low)} to {words.percent(high)}"

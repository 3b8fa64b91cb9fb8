"""The table and the captions of speed-up, deficiency and normalized gain."""

from collections.abc import Sequence
from math import isfinite
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.relative import Relative
from labelbench_ray.report.statistics.comparison import Curves
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.report.statistics.relative import Quotient, SpeedUp

SEES_LABELS: Final = "upper bound, sees labels"
MOST_CHECKPOINTS: Final = 5
"""Numbers of labels of which the table has a column; the curve has all."""


def relative_table(found: Sequence[Relative]) -> Table:
    """A row a strategy: its deficiency, its gain on the way to the bound, and its speed-up at some checkpoints."""
    if not found or len(found[0].speed.labels_T) < 2:
        return Table((), ())
    places = _places(len(found[0].speed.labels_T))
    has_gain = any(each.gain for each in found)
    head = (
        "strategy",
        "deficiency",
        *(["normalized gain"] if has_gain else []),
        *(f"speed-up at {words.count(found[0].speed.labels_T[place])} labels" for place in places),
    )
    return Table(head, tuple(_row(each, places, has_gain=has_gain) for each in found))


def bound_lines(found: Sequence[Relative], bounds: Sequence[Curves], noun: str) -> tuple[str, ...]:
    """A line an upper bound for the terminal: what it reaches, and how much of its gain the best strategy has."""
    gains = [(each.gain.value, each.strategy) for each in found if each.gain]
    best = f"; {max(gains)[1]} has {words.percent(max(gains)[0], 0)} of its gain over the curve" if gains else ""
    return tuple(
        f"{bound.strategy} ({SEES_LABELS}; not ranked): final {noun} "
        f"{words.accuracy(estimate(bound.values_ST[:, -1]))}, {words.several(len(bound.seeds), 'seed')}"
        f"{'' if place else best}."
        for place, bound in enumerate(bounds)
    )


def explanations(found: Sequence[Relative], baseline: str, noun: str) -> tuple[str, ...]:
    """One line of what each measure is."""
    lines = [
        f"Speed-up: the labels that {baseline} needs for the strategy's {noun} at that many labels, over the "
        f"strategy's; above 1 is better. “At least”: {baseline} does not get there, so the "
        "curve is a lower bound from there on.",
        f"Deficiency: what the strategy's mean curve lacks of {baseline}'s last {noun}, over what that of {baseline} "
        "lacks; below 1 is better, and below 0 the curve lies above that on average.",
    ]
    bound = next((each.strategy for each in found if each.is_bound), None)
    if bound is not None:
        lines.append(
            f"Normalized gain: the mean gain over the curve as a share of that of {bound}, which sees labels: 0 is "
            f"{baseline}, 1 is {bound}."
        )
    return tuple(lines)


def _places(checkpoints: int) -> list[int]:
    """Checkpoints after the first, evenly, the last one among them."""
    most = min(MOST_CHECKPOINTS, checkpoints - 1)
    return [checkpoints - 1 - round(step * (checkpoints - 1) / most) for step in reversed(range(most))]


def _row(each: Relative, places: Sequence[int], *, has_gain: bool) -> tuple[Cell, ...]:
    note = SEES_LABELS if each.is_bound else words.several(each.seeds, "seed")
    return (
        Cell(each.strategy, note),
        _quotient(each.deficiency),
        *([_quotient(each.gain)] if has_gain else []),
        *(_speed(each.speed, place) for place in places),
    )


def _quotient(found: Quotient | None) -> Cell:
    if found is None:
        return NOTHING
    interval = " to ".join(words.signed(end, 2, plus="") for end in (found.low, found.high))
    return Cell(words.signed(found.value, 2, plus=""), interval if found.has_interval else "", found.value)


def _speed(speed: SpeedUp, place: int) -> Cell:
    factor, low, high = (float(each_T[place]) for each_T in (speed.factors_T, speed.low_T, speed.high_T))
    note = f"{words.times(low)} to {words.times(high)}" if isfinite(high) else f"{words.times(low)} or more"
    text = f"{'at least ' if speed.at_least_T[place] else ''}{words.times(factor)}"
    return Cell(text, note if low < high else "", factor)

"""How much the paired difference from the baseline varies over seeds: what a plan for seeds starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.statistics.comparison import Comparison, Difference
from labelbench_ray.report.statistics.power import seeds_for, smallest_effect


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard deviation over seeds, as a fraction of all answers, and where it was seen."""

    measured: str
    """What varies and where, in words."""
    value: float

    def seeds(self, difference: float, strategies: int) -> int:
        """The fewest seeds that find this difference with a probability of 80 %, at 5 % over the strategies."""
        return seeds_for(difference / self.value if self.value else np.inf, strategies)

    def difference(self, seeds: int, strategies: int) -> float:
        """The least difference that this number of seeds finds with that probability."""
        return self.value * smallest_effect(seeds, strategies)


def recorded(comparison: Comparison, title: str) -> tuple[Spread, ...]:
    """The typical spread of a setting's strategies, at the end and over the curve; nothing without two paired seeds."""
    found = [row.difference for row in comparison.rows if row.difference and len(row.difference.seeds) > 1]
    if not found:
        return ()
    noun = comparison.noun
    return (
        Spread(f"{title}: final {noun}", _typical([each.final.spread for each in found], found)),
        Spread(f"{title}: mean {noun} over the curve", _typical([each.area.spread for each in found], found)),
    )


def _typical(spreads: Sequence[float], found: Sequence[Difference]) -> float:
    """The root of the mean variance, each weighted by its degrees of freedom."""
    degrees = [len(each.seeds) - 1 for each in found]
    return sqrt(float(np.average(np.square(spreads), weights=degrees)))


def power_line(comparison: Comparison) -> str:
    """What the seeds of a comparison can show, in a sentence; empty where the spread over seeds is not known."""
    found = [row.difference for row in comparison.rows if row.difference and len(row.difference.seeds) > 1]
    spread = _typical([each.area.spread for each in found], found) if found else 0.0
    if spread == 0:
        return ""
    seeds, strategies = min(len(each.seeds) for each in found), comparison.compared
    least = spread * smallest_effect(seeds, strategies, min(each.area.pooling for each in found))
    adjusted = f", adjusted for {strategies} strategies" if strategies > 1 else ""
    return (
        f"These {seeds} seeds can show differences of {_points(least)} points or "
        f"more in mean {comparison.noun} over the curve (power of 80 %{adjusted}; spread over seeds "
        f"{_points(spread)} points)."
    )


def _points(value: float) -> str:
    """Two digits that count: `0.22`, `1.3`, `12`."""
    points = 100 * value
    return words.grouped(points, 0 if points >= 10 else 1 if points >= 1 else 2)

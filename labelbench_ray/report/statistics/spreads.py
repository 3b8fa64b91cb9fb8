"""How much the paired difference from the baseline varies over seeds: what a plan for seeds starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.statistics.comparison import Comparison, Difference
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Estimate
from labelbench_ray.report.statistics.power import pooling_of, seeds_for, smallest_effect


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard deviation over seeds, as a fraction of all answers, and where it was seen."""

    measured: str
    """What varies and where, in words."""
    value: float
    pooling: float | None = None
    """Of the estimates on record, see `Estimate`; None where they are not pooled: strategies then vary alike."""
    row_error: float = 0.0
    """The standard error that the test rows on record add, which more seeds do not reduce."""

    def seeds(self, difference: float, strategies: int) -> int:
        """The fewest seeds that find this difference with a probability of 80 %, at 5 % over the strategies."""
        effect = difference / self.value if self.value else np.inf
        return seeds_for(effect, strategies, pooling=self._pooling(strategies), row_error=self._row_error)

    def difference(self, seeds: int, strategies: int) -> float:
        """The least difference that this number of seeds finds with that probability."""
        pooling = self._pooling(strategies) if seeds >= ENOUGH_PAIRS else 1.0
        return self.value * smallest_effect(seeds, strategies, pooling, self._row_error)

    @property
    def _row_error(self) -> float:
        return self.row_error / self.value if self.value else 0.0

    def _pooling(self, strategies: int) -> float:
        most = pooling_of(strategies)
        return most if self.pooling is None else min(most, self.pooling)


def recorded(comparison: Comparison, title: str) -> tuple[Spread, ...]:
    """The typical spread of a setting's strategies, at the end and over the curve; nothing without two paired seeds."""
    found = [row.difference for row in comparison.rows if row.difference and len(row.difference.seeds) > 1]
    if not found:
        return ()
    noun = comparison.noun
    return (
        _recorded(f"{title}: final {noun}", [each.final for each in found], found),
        _recorded(f"{title}: mean {noun} over the curve", [each.area for each in found], found),
    )


def _recorded(measured: str, estimates: Sequence[Estimate], found: Sequence[Difference]) -> Spread:
    pooled = [each.pooling for each in estimates if each.pooling > 1]
    spread, rows = (
        _typical(each, found) for each in zip(*((one.spread, one.row_error) for one in estimates), strict=True)
    )
    return Spread(measured, spread, min(pooled, default=None), rows)


def _typical(spreads: Sequence[float], found: Sequence[Difference]) -> float:
    """The root of the mean variance, each weighted by its degrees of freedom."""
    degrees = [len(each.seeds) - 1 for each in found]
    return sqrt(float(np.average(np.square(spreads), weights=degrees)))


def power_line(comparison: Comparison) -> str:
    """What the seeds of a comparison can show, of strategies with enough of them to decide; empty where none has."""
    every = [row.difference for row in comparison.rows if row.difference]
    found = [each for each in every if len(each.seeds) >= ENOUGH_PAIRS]
    spread = _typical([each.area.spread for each in found], found) if found else 0.0
    if spread == 0:
        return ""
    seeds, strategies = min(len(each.seeds) for each in found), comparison.compared
    pooling, rows = min(each.area.pooling for each in found), _typical([each.area.row_error for each in found], found)
    least = spread * smallest_effect(seeds, strategies, pooling, rows / spread)
    adjusted = f", adjusted for {strategies} strategies" if strategies > 1 else ""
    of_rows = f", error of the test rows {_points(rows)} points" if rows else ""
    return (
        f"These {seeds} seeds can show differences of {_points(least)} points or "
        f"more in mean {comparison.noun} over the curve (power of 80 % of {test_of(pooling)}{adjusted}; spread over "
        f"seeds {_points(spread)} points{of_rows})."
    )


def test_of(pooling: float) -> str:
    """Which test a plan or a statement is for, in words."""
    return "a t-test with the spread pooled over strategies" if pooling > 1 else "a paired t-test"


def _points(value: float) -> str:
    """Two digits that count: `0.22`, `1.3`, `12`."""
    points = 100 * value
    return words.grouped(points, 0 if points >= 10 else 1 if points >= 1 else 2)

"""Statistics over paired seeds: pure functions, everything on Student's t because seeds are few.

Seeds are the sample: trials of one seed share their first batch, so strategies are compared seed by seed. An interval
that is unknown (one seed) is the whole line, (-inf, inf). Letters: S seeds, T checkpoints, M comparisons.

Where M strategies are compared with random, each interval has the level 1 - 5 % / M (Bonferroni), so that all M hold at
once with a probability of at least 95 %. Decisions follow Holm's p-values, which keep the probability of any false one
below 5 % and find at least as much: p may be below 0.05 beside an interval that includes 0, never the reverse.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

from labelbench_ray.report.statistics.two_way import RowParts

LEVEL: Final = 0.95
ENOUGH_PAIRS: Final = 3
"""Fewer seeds decide nothing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with its confidence interval, and the two-sided p-value of 'the mean is 0'."""

    value: float
    low: float
    high: float
    p_value: float
    spread: float
    """Standard deviation over the seeds (ddof 1); 0 for one seed. Pooled over strategies where `pooling` is above 1."""
    seeds: int
    comparisons: int = 1
    """The number of intervals, this one included, that hold at once with a probability of 95 %."""
    pooling: float = 1.0
    """The degrees of freedom of the spread over those of these seeds alone, see `statistics.pooled`."""
    test_rows: int = 0
    """The rows whose noise the interval includes; 0: it is over seeds only."""
    row_error: float = 0.0
    """The standard error that these rows add to that of the seeds, see `statistics.two_way`."""

    @property
    def has_interval(self) -> bool:
        """There is an interval."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def excludes_zero(self) -> bool:
        """The interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def estimate(values_S: Floats, comparisons: int = 1, rows: RowParts | None = None) -> Estimate:
    """Mean of a sample with its t-interval. One value: no interval. No spread at all: the interval is the point.

    Args:
        values_S: one value a seed.
        comparisons: how many intervals must hold at once; `p_value` is not adjusted for them, see `holm`.
        rows: what the test rows add, for a mean over both.

    Raises:
        ValueError: `values_S` is empty.
    """
    count = values_S.size
    if count == 0:
        raise ValueError("0 seeds: a mean needs at least one; run a trial first")
    mean = float(values_S.mean())
    if count == 1:
        return Estimate(mean, -inf, inf, 1.0, 0.0, 1, comparisons)
    spread = float(values_S.std(ddof=1))
    if spread <= 1e-12 * max(1.0, abs(mean)):
        spread = 0.0
    return of_spread(mean, spread, count, comparisons, rows=rows)


def of_spread(
    mean: float, spread: float, seeds: int, comparisons: int = 1, pooling: float = 1.0, rows: RowParts | None = None
) -> Estimate:
    """The estimate of a mean over seeds, two or more, with this standard deviation over them."""
    degrees, squared, added = pooling * (seeds - 1), spread**2 / seeds, 0.0
    if rows is not None:
        added = float(rows.added_F[0])
        degrees = float(rows.degrees_F(np.array([squared]), degrees)[0])
    error = sqrt(squared + added)
    if error == 0:
        p_value, reach = float(abs(mean) <= 1e-12), 0.0
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, df=degrees))
        reach = _critical(degrees, comparisons) * error
    stated = (0, 0.0) if rows is None else (rows.rows, sqrt(added))
    return Estimate(mean, mean - reach, mean + reach, p_value, spread, seeds, comparisons, pooling, *stated)


def critical(seeds: int, comparisons: int = 1, pooling: float = 1.0) -> float:
    """Student's two-sided critical value at the level 5 % / comparisons (infinite for one seed)."""
    return _critical(pooling * (seeds - 1), comparisons) if seeds > 1 else inf


@lru_cache(1024)
def _critical(degrees: float, comparisons: int) -> float:
    return float(stats.t.isf((1 - LEVEL) / 2 / comparisons, df=degrees))


def bands(values_ST: Floats, rows: RowParts | None = None) -> tuple[Floats, Floats, Floats]:
    """Mean, lower and upper end of the t-interval at every checkpoint; without an interval, the mean thrice."""
    mean_T = values_ST.mean(axis=0)
    if len(values_ST) < 2:
        return mean_T, mean_T, mean_T
    reach_T = reaches(values_ST, rows=rows)
    return mean_T, mean_T - reach_T, mean_T + reach_T


def reaches(values_SF: Floats, comparisons: int = 1, rows: RowParts | None = None) -> Floats:
    """Half of the t-interval of each column's mean, over two seeds or more."""
    seeds = len(values_SF)
    squared_F = np.square(values_SF.std(axis=0, ddof=1)) / seeds
    if rows is None:
        reach_F: Floats = critical(seeds, comparisons) * np.sqrt(squared_F)
        return reach_F
    critical_F = stats.t.isf((1 - LEVEL) / 2 / comparisons, df=rows.degrees_F(squared_F, seeds - 1))
    reach_F = critical_F * np.sqrt(squared_F + rows.added_F)
    return reach_F


def area_under_curve(labels_T: Floats, values_ST: Floats) -> Floats:
    """Mean height of each seed's curve over the labels: trapezoid, divided by n_T - n_1. One checkpoint: its height."""
    if labels_T.size == 1:
        only_S: Floats = values_ST[:, 0]
        return only_S
    area_S: Floats = integrate.trapezoid(values_ST, labels_T, axis=1) / (labels_T[-1] - labels_T[0])
    return area_S


def holm(p_values_M: Floats) -> Floats:
    """Holm's adjusted p-values, in the order given: max over j <= i of min(1, (m - j + 1) p_(j))."""
    order_M = np.argsort(p_values_M, kind="stable")
    steps_M = p_values_M.size - np.arange(p_values_M.size)
    adjusted_M = np.empty_like(p_values_M, dtype=np.float64)
    adjusted_M[order_M] = np.minimum(1.0, np.maximum.accumulate(steps_M * p_values_M[order_M]))
    return adjusted_M

"""The spread over seeds of all strategies together: a two-way model of seeds and strategies.

A value is a strategy's mean, plus what its seed adds for all strategies, plus a residual. With S seeds and M strategies
the residuals have (S - 1)(M - 1) degrees of freedom where a pair of strategies has S - 1: with 3 seeds and 25
strategies, 5 % over 25 then takes 5 standard errors and not 22.

Strategies need not vary alike. Each has a variance of its own, estimated without bias (Grubbs, JASA 1948), which is
shrunk to the common one as in limma (Smyth, SAGMB 2004): the common one counts for as many degrees of freedom as the
variances differ less than chance makes them differ, and for `MOST_PRIOR` times S - 1 at most. An unusual strategy so
keeps a third of its own variance at least. benchmarks/coverage_of_intervals.py measures what that yields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Estimate, Floats, estimate, of_spread
from labelbench_ray.report.statistics.two_way import RowParts

FEWEST_STRATEGIES: Final = 3
"""With two, the residuals are those of the paired difference."""
MOST_PRIOR: Final = 2
ASSUMED_ROWS: Final = 1_000
"""Test rows, where their number is not known."""
_EXACT: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Pooled:
    """The variance over seeds of each strategy, by name, without what a seed adds for all of them."""

    variances: Mapping[str, float]
    degrees: float
    """Of freedom, of each variance and of the sum of two."""


def pool(values: Mapping[str, Floats]) -> Pooled | None:
    """The variances of strategies, each with one value a seed, for the same seeds in the same order.

    None with fewer than 3 strategies or seeds, or without any residual.
    """
    strategies, seeds = len(values), min((len(values_S) for values_S in values.values()), default=0)
    if strategies < FEWEST_STRATEGIES or seeds < ENOUGH_PAIRS:
        return None
    values_MS = np.stack(list(values.values()))
    own_M = _own_variances(values_MS)
    common = float(own_M.mean())
    if common <= (_EXACT * max(1.0, float(np.abs(values_MS).max()))) ** 2:
        return None
    own, prior = seeds - 1, _prior_degrees(own_M, seeds - 1)
    variances_M = (prior * common + own * np.maximum(own_M, 0)) / (prior + own)
    degrees = min(prior + own, own * (strategies - 1.0))
    return Pooled(dict(zip(values, map(float, variances_M), strict=True)), degrees)


def difference(
    values_S: Floats,
    first: str,
    second: str,
    pooled: Pooled | None,
    comparisons: int = 1,
    rows: RowParts | None = None,
) -> Estimate:
    """The mean of one strategy less another, a value a seed; by their own spread where pooling has no more degrees."""
    seeds = len(values_S)
    if pooled is None or not {first, second} <= {*pooled.variances} or pooled.degrees <= seeds - 1:
        return _coarse(estimate(values_S, comparisons, rows), rows)
    spread = sqrt(pooled.variances[first] + pooled.variances[second])
    return of_spread(float(values_S.mean()), spread, seeds, comparisons, pooled.degrees / (seeds - 1), rows)


def _coarse(found: Estimate, rows: RowParts | None) -> Estimate:
    """With the step of an accuracy, one test row, as spread where all seeds have the same difference.

    A few seeds often differ by the same one or two rows by chance; without a spread that would be p = 0.
    """
    error = found.spread or found.row_error
    if error or found.seeds < 2 or abs(found.value) <= _EXACT:
        return found
    step = 1 / (rows.rows if rows else ASSUMED_ROWS)
    return of_spread(found.value, step, found.seeds, found.comparisons, rows=rows)


def _own_variances(values_MS: Floats) -> Floats:
    """(M,) unbiased; may be negative. Their mean is the residual variance of the model."""
    strategies, seeds = values_MS.shape
    centered_MS = values_MS - values_MS.mean(axis=0)
    residuals_MS = centered_MS - centered_MS.mean(axis=1, keepdims=True)
    squares_M = np.square(residuals_MS).sum(axis=1) / (seeds - 1)
    total = squares_M.sum() / (1 - 1 / strategies)
    own_M: Floats = (squares_M - total / strategies**2) / (1 - 2 / strategies)
    return own_M


def _prior_degrees(own_M: Floats, degrees: int) -> float:
    """The degrees of freedom that the common variance counts for, by how much the variances differ beyond chance.

    If variances are spread as an inverse gamma with d degrees, their squared coefficient of variation is 2 / (d - 4).
    """
    variances_M = np.maximum(own_M, 0)
    differ = float(variances_M.var(ddof=1) / variances_M.mean() ** 2)
    beyond_chance = (1 + differ) / (1 + 2 / degrees) - 1
    prior = 4 + 2 / beyond_chance if beyond_chance > 0 else inf
    return min(prior, float(MOST_PRIOR * degrees))

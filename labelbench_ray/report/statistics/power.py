"""How many seeds find a difference, by the noncentral t distribution.

A true mean difference of d standard deviations is found over n seeds with the probability that a noncentral t with
f * (n - 1) degrees of freedom and noncentrality d * sqrt(n) exceeds the critical value. f is 1 for the paired t-test,
and `pooling_of` where the spread is pooled over strategies, see `statistics.pooled`. The critical value is the one of
Holm's first step, 5 % over the number of strategies compared; later steps ask for less, so the power is a lower bound.

Where the interval includes the noise of test rows, the noncentrality is d / sqrt(1 / n + r^2) with the rows' standard
error r in the same unit, which more seeds do not reduce; the degrees of freedom grow with the rows' part of the
variance as Satterthwaite's do.
"""

from math import inf, sqrt
from typing import Final

from scipy import optimize, stats

from labelbench_ray.report import words
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, LEVEL, Estimate, critical
from labelbench_ray.report.statistics.pooled import MOST_PRIOR

POWER: Final = 0.8
ADVISED_SEEDS: Final = 5
MOST_SEEDS: Final = 100
MOST_PLANNED: Final = 10_000
_LARGEST: Final = 1_000.0
"""Standard deviations, as far as the noncentral t is computed without overflow."""
_MOST_POOLING: Final = 10_000.0
"""With as many degrees of freedom a t is normal."""


def pooling_of(strategies: int) -> float:
    """The degrees of freedom of the pooled spread over those of a pair, for strategies and a baseline that vary alike.

    1 for one strategy: there is nothing to pool, and the test is the paired t-test.
    """
    return float(min(strategies, 1 + MOST_PRIOR))


def power(effect: float, seeds: int, comparisons: int = 1, pooling: float = 1.0, row_error: float = 0.0) -> float:
    """The probability that this number of seeds finds a mean of `effect` standard deviations.

    Args:
        pooling: as of an `Estimate`.
        row_error: the standard error that test rows add, in standard deviations over seeds.
    """
    inflation = 1 + seeds * row_error**2
    shift = min(abs(effect), _LARGEST) * sqrt(seeds / inflation)
    degrees = min(pooling * inflation**2, _MOST_POOLING)
    return float(stats.nct.sf(critical(seeds, comparisons, degrees), degrees * (seeds - 1), shift))


def seeds_for(
    effect: float, comparisons: int = 1, most: int = MOST_PLANNED, pooling: float = 1.0, row_error: float = 0.0
) -> int:
    """The fewest seeds that find a mean of `effect` standard deviations with a probability of 80 %, or `most`."""
    fewer, enough = ENOUGH_PAIRS - 1, most
    while enough - fewer > 1:
        middle = (fewer + enough) // 2
        found = power(effect, middle, comparisons, pooling, row_error) >= POWER
        fewer, enough = (fewer, middle) if found else (middle, enough)
    return enough


def smallest_effect(seeds: int, comparisons: int = 1, pooling: float = 1.0, row_error: float = 0.0) -> float:
    """The least mean, in standard deviations, that this number of seeds finds with a probability of 80 %.

    Infinite for one seed.
    """
    if seeds < 2:
        return inf
    threshold = critical(seeds, comparisons, pooling) * sqrt(1 / seeds + row_error**2)

    def lacks(effect: float) -> float:
        return power(effect, seeds, comparisons, pooling, row_error) - POWER

    return float(optimize.brentq(lacks, 0.0, min(6 * threshold, _LARGEST), xtol=1e-6))


def seeds_needed(estimate: Estimate) -> int:
    """How many seeds find a mean of this size and spread with a probability of 80 %.

    `MOST_SEEDS` stands for that many or more.
    """
    if estimate.spread == 0:
        return MOST_SEEDS if estimate.value == 0 else ENOUGH_PAIRS
    effect, row_error = estimate.value / estimate.spread, estimate.row_error / estimate.spread
    return seeds_for(effect, estimate.comparisons, MOST_SEEDS, estimate.pooling, row_error)


def hidden_by_rows(estimate: Estimate) -> bool:
    """Test rows alone keep the probability to find a mean of this size below 80 %, however many seeds there are."""
    if estimate.row_error == 0:
        return False
    threshold = stats.norm.isf((1 - LEVEL) / 2 / estimate.comparisons)
    return bool(stats.norm.sf(threshold - abs(estimate.value) / estimate.row_error) < POWER)


def more_seeds(estimate: Estimate) -> str:
    """How many seeds would decide on a difference that these do not distinguish from 0, as advice."""
    needed = seeds_needed(estimate)
    if hidden_by_rows(estimate):
        return (
            f"With {words.several(estimate.test_rows, 'test row')} no number of seeds would detect a difference this "
            "small (power of 80 %): use more test rows."
        )
    if estimate.seeds < ADVISED_SEEDS and (estimate.seeds < 2 or needed <= ADVISED_SEEDS):
        return f"Run at least {ADVISED_SEEDS} seeds."
    several = estimate.comparisons > 1
    adjusted = f", adjusted for {words.several(estimate.comparisons, 'strategy', 'strategies')}" if several else ""
    if needed >= MOST_SEEDS:
        return f"Detecting a difference this small takes {MOST_SEEDS} seeds or more (power of 80 %{adjusted})."
    return (
        f"About {max(needed, estimate.seeds + 1)} seeds would detect a difference of this size and spread (power of "
        f"80 %{adjusted})."
    )

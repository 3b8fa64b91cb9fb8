"""A strategy's curve beside random's and beside an upper bound: normalized gain, deficiency, speed-up.

Normalized gain and deficiency are ratios of two means over paired seeds. Their intervals are Fieller's: a ratio r is
inside unless a t-test over the seeds' `upper - r * lower` distinguishes it from 0. The speed-up's interval is that of
the labels which random needs, as in `statistics.savings`, over the strategy's labels.

Letters: S seeds, T checkpoints; rows are paired by seed.
"""

from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.report.statistics.paired import Floats, area_under_curve, critical
from labelbench_ray.report.statistics.savings import saving


@dataclass(frozen=True, slots=True)
class Quotient:
    """A ratio of two means over seeds with its 95 % interval, the whole line where there is none."""

    value: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """There is an interval."""
        return isfinite(self.low) and isfinite(self.high)


def quotient(upper_S: Floats, lower_S: Floats, comparisons: int = 1) -> Quotient | None:
    """The ratio of the two means; None where the lower mean is not above 0.

    `comparisons`: how many such intervals must hold at once.
    """
    upper, lower, seeds = float(upper_S.mean()), float(lower_S.mean()), len(upper_S)
    if lower <= 0:
        return None
    if seeds < 2:
        return Quotient(upper / lower, -inf, inf)
    of_upper, of_both, of_lower = (
        np.cov(upper_S, lower_S)[[0, 0, 1], [0, 1, 1]] * critical(seeds, comparisons) ** 2 / seeds
    )
    first, middle, last = lower**2 - of_lower, upper * lower - of_both, upper**2 - of_upper
    if first <= 0:  # the lower mean may be 0
        return Quotient(upper / lower, -inf, inf)
    reach = sqrt(max(0.0, middle**2 - first * last))
    return Quotient(upper / lower, float(middle - reach) / float(first), float(middle + reach) / float(first))


def normalized_gain(
    labels_T: Floats, strategy_ST: Floats, random_ST: Floats, bound_ST: Floats, comparisons: int = 1
) -> Quotient | None:
    """(A - A_random) / (A_bound - A_random) of areas: 0 is random, 1 the bound. None where the bound is not above."""
    area_S, random_S, bound_S = (area_under_curve(labels_T, each) for each in (strategy_ST, random_ST, bound_ST))
    return quotient(area_S - random_S, bound_S - random_S, comparisons)


def deficiency(strategy_ST: Floats, reference_ST: Floats, comparisons: int = 1) -> Quotient | None:
    """What a strategy lacks of the reference's last accuracy, over what the reference lacks: below 1 is better.

    Baram, El-Yaniv and Luz (JMLR 2004). None where the reference lacks nothing.
    """
    final_S1 = reference_ST[:, -1:]
    return quotient((final_S1 - strategy_ST).sum(axis=1), (final_S1 - reference_ST).sum(axis=1), comparisons)


@dataclass(frozen=True, slots=True, eq=False)
class SpeedUp:
    """Labels that random needs for the same accuracy, over the strategy's labels, with its 95 % interval."""

    labels_T: Floats
    """The strategy's."""
    factors_T: Floats
    low_T: Floats
    high_T: Floats
    """Infinite where random may not reach the accuracy; with one seed both ends are the factor."""
    at_least_T: NDArray[np.bool_]
    """Random does not reach the accuracy within its labels: the factor is a lower bound."""


def speed_up(labels_T: Floats, strategy_ST: Floats, random_ST: Floats, comparisons: int = 1) -> SpeedUp:
    """The speed-up at each checkpoint, by running maxima of the mean curves and linear interpolation."""
    best_T = [int(np.argmax(strategy_ST.mean(axis=0)[: place + 1])) for place in range(len(labels_T))]
    # The labels at which random's curve gets to a constant one: that of the strategy's accuracies at this checkpoint.
    needs = [
        saving(labels_T, random_ST, np.repeat(strategy_ST[:, [best]], len(labels_T), axis=1), comparisons)
        for best in best_T
    ]
    at_least_T = np.array([not need.reached for need in needs])
    needed_T = np.array([need.labels if need.reached else need.last_labels for need in needs])
    low_T = np.array([min(need.low_labels, need.last_labels) for need in needs]) if len(random_ST) > 1 else needed_T
    high_T = np.array([need.high_labels for need in needs]) if len(random_ST) > 1 else needed_T
    return SpeedUp(labels_T, needed_T / labels_T, low_T / labels_T, high_T / labels_T, at_least_T)

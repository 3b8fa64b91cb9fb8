"""A strategy's mean curve beside random's and beside an upper bound: normalized gain, deficiency, speed-up.

Letters: T checkpoints.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.report.statistics.mean_saving import crossings
from labelbench_ray.report.statistics.paired import Floats, area_under_curve


def normalized_gain(labels_T: Floats, strategy_T: Floats, random_T: Floats, bound_T: Floats) -> float | None:
    """(A - A_random) / (A_bound - A_random) of areas: 0 is random, 1 the bound. None where the bound is not above."""
    area, random, bound = area_under_curve(labels_T, np.stack([strategy_T, random_T, bound_T]))
    return float((area - random) / (bound - random)) if bound > random else None


def deficiency(strategy_T: Floats, reference_T: Floats) -> float | None:
    """What a strategy lacks of the reference's last accuracy, over what the reference lacks: below 1 is better.

    Baram, El-Yaniv and Luz (JMLR 2004). None where the reference lacks nothing.
    """
    final = reference_T[-1]
    lacks = float(np.sum(final - reference_T))
    return float(np.sum(final - strategy_T)) / lacks if lacks > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class SpeedUp:
    """Labels that random needs for the same accuracy, over the strategy's labels."""

    labels_T: Floats
    """The strategy's."""
    factors_T: Floats
    at_least_T: NDArray[np.bool_]
    """Random does not reach the accuracy within its labels: the factor is a lower bound."""


def speed_up(labels_T: Floats, strategy_T: Floats, random_T: Floats) -> SpeedUp:
    """The speed-up at each checkpoint, by running maxima and linear interpolation."""
    targets_T1 = np.maximum.accumulate(strategy_T)[:, None]
    top_TT = np.broadcast_to(np.maximum.accumulate(random_T), (len(labels_T), len(labels_T)))
    needed_T, reached_T = crossings(labels_T, top_TT, targets_T1)
    return SpeedUp(labels_T, needed_T / labels_T, ~reached_T)

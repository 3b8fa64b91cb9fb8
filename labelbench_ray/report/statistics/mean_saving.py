"""The mean saving of a strategy over settings, with an interval by a bootstrap of settings and of seeds inside them.

A strategy that does not reach random's highest mean accuracy has no saving. It counts with all labels of its curve, the
least that it could need, and `unreached` states in how many settings that is so: the mean is then an upper bound.
(Letters: D settings, S seeds, T checkpoints, R draws.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.report.statistics.paired import LEVEL, Floats

DRAWS: Final = 10_000
FEWEST_SETTINGS: Final = 5
"""With fewer settings a percentile interval is far too narrow; there is none."""
_SEED: Final = 20230624


@dataclass(frozen=True, slots=True, eq=False)
class PairedCurves:
    """One setting: a strategy and random at the same checkpoints, rows paired by seed."""

    labels_T: Floats
    strategy_ST: Floats
    random_ST: Floats


@dataclass(frozen=True, slots=True)
class MeanSaving:
    """The share of random's labels that is saved, a setting counting once; negative where it costs labels."""

    fraction: float
    low: float
    high: float
    """-inf and inf with fewer than 5 settings."""
    settings: int
    unreached: int
    """Settings in which the strategy does not reach random's highest mean accuracy."""


def mean_saving(settings: Sequence[PairedCurves]) -> MeanSaving:
    """The mean over settings; the same input gives the same interval.

    Raises:
        ValueError: no setting.
    """
    if not settings:
        raise ValueError("0 settings: a mean needs at least one; give experiments that have the strategy and random")
    found = [_fractions(each, np.full((1, len(each.strategy_ST)), 1 / len(each.strategy_ST))) for each in settings]
    fraction = float(np.mean([fraction_R[0] for fraction_R, _ in found]))
    unreached = sum(not reached_R[0] for _, reached_R in found)
    low, high = _interval(settings) if len(settings) >= FEWEST_SETTINGS else (-np.inf, np.inf)
    return MeanSaving(fraction, low, high, len(settings), unreached)


def _interval(settings: Sequence[PairedCurves]) -> tuple[float, float]:
    rng = np.random.default_rng(_SEED)
    times_RD = rng.multinomial(len(settings), np.full(len(settings), 1 / len(settings)), DRAWS)
    sum_R = np.zeros(DRAWS)
    for place, each in enumerate(settings):
        # A setting that is drawn twice has its seeds drawn twice, too.
        for repeat in range(int(times_RD[:, place].max())):
            (drawn_Q,) = np.nonzero(times_RD[:, place] > repeat)
            seeds = len(each.strategy_ST)
            counts_QS = rng.multinomial(seeds, np.full(seeds, 1 / seeds), len(drawn_Q))
            sum_R[drawn_Q] += _fractions(each, counts_QS / seeds)[0]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(sum_R / len(settings), [tail, 1 - tail])
    return float(low), float(high)


def _fractions(setting: PairedCurves, weights_RS: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """For each draw of seeds, the saving at random's highest mean accuracy, and whether the strategy reaches it."""
    random_RT, top_RT = weights_RS @ setting.random_ST, np.maximum.accumulate(weights_RS @ setting.strategy_ST, axis=1)
    best_R = random_RT.argmax(axis=1)
    target_R1 = np.take_along_axis(random_RT, best_R[:, None], axis=1)
    labels_R, reached_R = crossings(setting.labels_T, top_RT, target_R1)
    return 1 - labels_R / setting.labels_T[best_R], reached_R


def crossings(labels_T: Floats, top_RT: Floats, target_R1: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The labels at which each rising curve meets its target, linear between checkpoints; the last where it does not.

    A curve that begins above its target meets it at the first checkpoint.
    """
    above_RT = top_RT >= target_R1 - 1e-12
    reached_R = above_RT[:, -1]
    place_R = np.where(reached_R, above_RT.argmax(axis=1), len(labels_T) - 1)
    before_R = np.maximum(place_R - 1, 0)
    rows_R = np.arange(len(top_RT))
    low_R, high_R = top_RT[rows_R, before_R], top_RT[rows_R, place_R]
    rise_R = np.where(high_R > low_R, high_R - low_R, np.inf)
    part_R = np.clip((target_R1[:, 0] - low_R) / rise_R, 0, 1)
    between_R = labels_T[before_R] + part_R * (labels_T[place_R] - labels_T[before_R])
    return np.where(reached_R & (place_R > 0), between_R, labels_T[place_R]), reached_R

"""The mean saving of a strategy over settings with a t interval, and that of the strategy that other settings choose.

Settings are the sample: each has one saving, by the mean curves of its seeds, and what seeds add to its error is a part
of how settings differ. A bootstrap of settings and of seeds inside them holds 84 to 91 % of the time with 5 to 17
settings, and is not used.

The best of several strategies over these settings is better on them than on others. So the other settings choose: for
each setting its saving counts of the strategy with the best average rank in all other settings, as `winner` does over
seeds. No setting has a part in its own choice.

A strategy that does not reach random's highest mean accuracy has no saving. It counts with all labels of its curve, the
least that it could need, and `unreached` states in how many settings that is so: the mean is then an upper bound.
(Letters: D settings, M strategies, S seeds, T checkpoints.)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.paired import Floats, estimate
from labelbench_ray.report.statistics.savings import first_crossing

FEWEST_SETTINGS: Final = 3
"""Fewer settings give no interval and no choice."""


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
    """-inf and inf with fewer than 3 settings."""
    settings: int
    unreached: int
    """Settings in which the strategy does not reach random's highest mean accuracy."""


@dataclass(frozen=True, slots=True)
class ChosenSaving:
    """What the strategy saves, on average over settings, that the other settings choose."""

    chosen: tuple[str, ...]
    """For each setting."""
    fraction: float
    unreached: int

    @property
    def times(self) -> dict[str, int]:
        """For how many settings each strategy is chosen, the most frequent first."""
        return dict(Counter(self.chosen).most_common())


def mean_saving(settings: Sequence[PairedCurves], comparisons: int = 1) -> MeanSaving:
    """The mean over settings.

    Args:
        settings: of one strategy.
        comparisons: how many strategies' intervals must hold at once (Bonferroni).

    Raises:
        ValueError: no setting.
    """
    if not settings:
        raise ValueError("0 settings: a mean needs at least one; give experiments that have the strategy and random")
    found = [saving_of(each) for each in settings]
    mean = estimate(np.array([fraction for fraction, _ in found]), comparisons)
    known = len(settings) >= FEWEST_SETTINGS
    low, high = (mean.low, min(1.0, mean.high)) if known else (-np.inf, np.inf)
    return MeanSaving(mean.value, low, high, len(settings), sum(not reached for _, reached in found))


def chosen_saving(
    strategies: Sequence[str], ranks_DM: Floats, savings: Sequence[Mapping[str, tuple[float, bool]]]
) -> ChosenSaving | None:
    """The saving of the strategy that the other settings choose, on average.

    None with fewer than three settings or two strategies, and where a chosen strategy has no saving.

    Args:
        strategies: those to choose from.
        ranks_DM: of each in each setting, 1 for the best.
        savings: of each setting, by strategy, as `saving_of`.
    """
    if len(ranks_DM) < FEWEST_SETTINGS or len(strategies) < 2:
        return None
    chosen = [strategies[place] for place in (ranks_DM.sum(axis=0) - ranks_DM).argmin(axis=1)]
    found = [known.get(name) for name, known in zip(chosen, savings, strict=True)]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    fractions, reached = zip(*known, strict=True)
    return ChosenSaving(tuple(chosen), float(np.mean(fractions)), len(reached) - sum(reached))


def saving_of(setting: PairedCurves) -> tuple[float, bool]:
    """One setting's saving at random's highest mean accuracy, and whether the strategy reaches it."""
    random_T = setting.random_ST.mean(axis=0)
    best = int(random_T.argmax())
    labels = first_crossing(setting.labels_T, setting.strategy_ST.mean(axis=0) - random_T[best])
    reached = np.isfinite(labels)
    return float(1 - (labels if reached else setting.labels_T[-1]) / setting.labels_T[best]), bool(reached)

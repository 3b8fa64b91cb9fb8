"""What the best of several strategies gains and saves, without the luck that made it the best: by cross-fitted seeds.

The best of several strategies is better on the seeds that chose it than on others: the winner's curse. Of 25 equal
strategies that save 18 %, the best of five seeds shows 22 %. So the other seeds choose: for each seed s the strategy
with the highest mean over the learning curve on all seeds but s, and its curve of seed s counts,

    gain = 1/S sum over s of (a[m(s), s] - a[baseline, s]),   m(s) = argmax over m of sum over r != s of a[m, r].

Seed s had no part in the choice of m(s), so that gain is an unbiased estimate of what the strategy gains that S - 1
seeds choose (the hold-one-out estimate of a chosen model; Stone, JRSS B 1974). Where the seeds choose less surely, that
strategy is slightly worse than the winner of all seeds. The labels saved are read off the mean of the same curves.

It is an estimate without an interval: its S values share seeds in their choices and are positively correlated, so a t
interval holds in 84 % of the cases only, with ten seeds and 25 equal strategies. The winner's interval is the one that
holds for all strategies at once. benchmarks/winners_curse.py compares both with other estimates.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.report.statistics.comparison import Comparison, Row
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, Floats, area_under_curve
from labelbench_ray.report.statistics.savings import Saving, saving


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """What the strategies gain and save that the other seeds choose.

    The interval of `saving` is the one of a single strategy that nobody chose: too short.
    """

    seeds: tuple[int, ...]
    chosen: tuple[str, ...]
    """For each seed, the strategy that the other seeds choose."""
    candidates: int
    """How many strategies there were to choose from; with one there was no choice."""
    gain: float
    """In mean height over the learning curve."""
    final_gain: float
    saving: Saving

    @property
    def times(self) -> dict[str, int]:
        """For how many seeds each strategy is chosen, the most frequent first."""
        return dict(Counter(self.chosen).most_common())

    def confirms(self, strategy: str) -> bool:
        """The other seeds choose it for every seed, among several, so gain and saving are those of all seeds."""
        return self.candidates > 1 and {*self.chosen} == {strategy}


def cross_fitted(comparison: Comparison, winner: Row) -> CrossFitted | None:
    """The choice of the winner repeated without each seed; among the strategies that have all of its paired seeds.

    None without the baseline, and with fewer than three paired seeds.
    """
    baseline, difference = comparison.row(comparison.baseline), winner.difference
    if baseline is None or difference is None or len(difference.seeds) < ENOUGH_PAIRS:
        return None
    seeds = difference.seeds
    rivals = [row.curves for row in comparison.rows if row.difference and {*seeds} <= {*row.difference.seeds}]
    values_MST, labels_T = np.stack([curves.at(seeds) for curves in rivals]), winner.curves.labels_T
    baseline_ST = baseline.curves.at(seeds)
    areas_MS = np.stack([area_under_curve(labels_T, values_ST) for values_ST in values_MST])
    chosen_S = chosen_by_others(areas_MS)
    curves_ST: Floats = values_MST[chosen_S, np.arange(len(seeds))]
    gain_S = area_under_curve(labels_T, curves_ST) - area_under_curve(labels_T, baseline_ST)
    return CrossFitted(
        seeds,
        tuple(rivals[place].strategy for place in chosen_S),
        len(rivals),
        float(gain_S.mean()),
        float((curves_ST - baseline_ST)[:, -1].mean()),
        saving(labels_T, curves_ST, baseline_ST),
    )


def chosen_by_others(areas_MS: Floats) -> NDArray[np.intp]:
    """(S,) for each seed the strategy with the highest mean over all other seeds; the first of equal ones."""
    others_MS = areas_MS.sum(axis=1, keepdims=True) - areas_MS
    chosen_S: NDArray[np.intp] = others_MS.argmax(axis=0)
    return chosen_S

"""All settings of an experiment as one sample: which strategy is best over data sets, each setting counting once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_ray.report.statistics.comparison import Comparison, common_seeds
from labelbench_ray.report.statistics.mean_saving import (
    ChosenSaving,
    MeanSaving,
    PairedCurves,
    chosen_saving,
    mean_saving,
    saving_of,
)
from labelbench_ray.report.statistics.paired import Floats
from labelbench_ray.report.statistics.ranks import FEWEST_SETTINGS, FEWEST_STRATEGIES, Ranks, ranks
from labelbench_ray.report.statistics.signed_rank import Posterior, signed_rank
from labelbench_ray.report.statistics.wins import Wins, penalties, wins


@dataclass(frozen=True, slots=True, eq=False)
class OverSettings:
    """Strategies that every compared setting has, best average rank first in all of its parts.

    A setting's score of a strategy is the mean over seeds of the area under the curve.
    """

    ranks: Ranks
    wins: Wins
    penalties_MM: Floats
    """BADGE's, summed over the settings that have the baseline."""
    savings: tuple[MeanSaving | None, ...]
    """Against the baseline; None for the baseline itself and where no setting pairs the two by seed. Intervals hold
    for all strategies at once."""
    chosen_saving: ChosenSaving | None
    """Of the strategy that the other settings choose, against the baseline."""
    against_baseline: tuple[Posterior | None, ...]
    """Better, equal in practice, or worse; None for the baseline itself."""
    baseline: str
    left_out: tuple[str, ...]
    """Strategies that some setting does not have."""
    data_sets: int
    """Settings on one data set are not independent."""

    @property
    def strategies(self) -> tuple[str, ...]:
        """In the order of all arrays."""
        return self.ranks.strategies


def over_settings(comparisons: Sequence[Comparison], data_sets: int) -> OverSettings | None:
    """Compare strategies over settings; None with fewer than two settings or three strategies that all of them have."""
    if len(comparisons) < FEWEST_SETTINGS:
        return None
    names = [{row.strategy for row in each.rows} for each in comparisons]
    shared, every = set.intersection(*names), set.union(*names)
    if len(shared) < FEWEST_STRATEGIES:
        return None
    given = tuple(sorted(shared))
    found = ranks(given, _areas(comparisons, given))
    scores_DM = _areas(comparisons, found.strategies)
    baseline = comparisons[0].baseline
    place = found.strategies.index(baseline) if baseline in shared else None
    rivals = [name for name in found.strategies if name != baseline]
    pairs = {name: [_pair(each, name, baseline) for each in comparisons] for name in rivals}
    return OverSettings(
        found,
        wins(scores_DM),
        sum((_penalties(each, found.strategies) for each in comparisons), np.zeros((len(given), len(given)))),
        tuple(_mean(pairs[name], len(rivals)) if name in pairs else None for name in found.strategies),
        _chosen(found.strategies, scores_DM, pairs),
        tuple(
            None if place in (None, number) else signed_rank(scores_DM[:, number] - scores_DM[:, place])
            for number in range(len(given))
        ),
        baseline,
        tuple(sorted(every - shared)),
        data_sets,
    )


def _areas(comparisons: Sequence[Comparison], strategies: tuple[str, ...]) -> Floats:
    values = [[row.area.value for name in strategies if (row := each.row(name))] for each in comparisons]
    return np.array(values, dtype=np.float64)


def _pair(comparison: Comparison, strategy: str, baseline: str) -> PairedCurves | None:
    row, reference = comparison.row(strategy), comparison.row(baseline)
    seeds = common_seeds(row.curves, reference.curves) if row and reference else ()
    if row is None or reference is None or not seeds:
        return None
    return PairedCurves(row.curves.labels_T, row.curves.at(seeds), reference.curves.at(seeds))


def _mean(pairs: Sequence[PairedCurves | None], comparisons: int) -> MeanSaving | None:
    known = [pair for pair in pairs if pair]
    return mean_saving(known, comparisons) if known else None


def _chosen(
    strategies: Sequence[str], scores_DM: Floats, pairs: Mapping[str, Sequence[PairedCurves | None]]
) -> ChosenSaving | None:
    from scipy.stats import rankdata  # as in `statistics.ranks`

    ranks_DM = rankdata(-scores_DM[:, [strategies.index(name) for name in pairs]], axis=1)
    savings = [
        {name: saving_of(pair) for name, of_settings in pairs.items() if (pair := of_settings[place])}
        for place in range(len(scores_DM))
    ]
    return chosen_saving(list(pairs), ranks_DM, savings)


def _penalties(comparison: Comparison, strategies: tuple[str, ...]) -> Floats:
    """One setting's penalties over the seeds that all strategies share; zeros without the baseline."""
    curves = [row.curves for name in strategies if (row := comparison.row(name))]
    seeds = tuple(sorted(set.intersection(*(set(each.seeds) for each in curves))))
    if comparison.baseline not in strategies or not seeds:
        return np.zeros((len(strategies), len(strategies)))
    values_MST = np.stack([each.at(seeds) for each in curves])
    return penalties(curves[0].labels_T, values_MST, strategies.index(comparison.baseline))

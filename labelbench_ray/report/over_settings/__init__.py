"""All settings of an experiment as one sample: which strategy is best over data sets, each setting counting once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_ray.report.statistics.comparison import Comparison, common_seeds
from labelbench_ray.report.statistics.mean_saving import MeanSaving, PairedCurves, mean_saving
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
    """Against the baseline; None for the baseline itself and where no setting pairs the two by seed."""
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
    return OverSettings(
        found,
        wins(scores_DM),
        sum((_penalties(each, found.strategies) for each in comparisons), np.zeros((len(given), len(given)))),
        tuple(_saving(comparisons, name, baseline) for name in found.strategies),
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


def _saving(comparisons: Sequence[Comparison], strategy: str, baseline: str) -> MeanSaving | None:
    pairs = []
    for each in comparisons:
        row, reference = each.row(strategy), each.row(baseline)
        if row is None or reference is None or strategy == baseline:
            continue
        if seeds := common_seeds(row.curves, reference.curves):
            pairs.append(PairedCurves(row.curves.labels_T, row.curves.at(seeds), reference.curves.at(seeds)))
    return mean_saving(pairs) if pairs else None


def _penalties(comparison: Comparison, strategies: tuple[str, ...]) -> Floats:
    """One setting's penalties over the seeds that all strategies share; zeros without the baseline."""
    curves = [row.curves for name in strategies if (row := comparison.row(name))]
    seeds = tuple(sorted(set.intersection(*(set(each.seeds) for each in curves))))
    if comparison.baseline not in strategies or not seeds:
        return np.zeros((len(strategies), len(strategies)))
    values_MST = np.stack([each.at(seeds) for each in curves])
    return penalties(curves[0].labels_T, values_MST, strategies.index(comparison.baseline))

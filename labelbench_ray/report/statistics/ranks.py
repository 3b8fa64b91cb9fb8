"""Ranks over settings: which strategies differ when each setting counts once.

A setting is a data set with a protocol; its score is the mean over seeds. Friedman's test asks whether all strategies
are equal; Wilcoxon's signed-rank test compares each pair, adjusted by Holm (Demsar, JMLR 2006; Benavoli, Corani and
Mangili, JMLR 2016, on why pairs are not compared by mean ranks). A clique is a run of strategies, by average rank, of
which no pair differs. Nemenyi's critical difference is there for comparison with published diagrams: it depends on
which other strategies are present. (Letters: D settings, M strategies.)
"""

from dataclasses import dataclass
from itertools import combinations
from math import floor, log2, sqrt
from typing import Final

import numpy as np
from scipy import stats

from labelbench_ray.report.statistics.paired import LEVEL, Floats, holm

FEWEST_SETTINGS: Final = 2
FEWEST_STRATEGIES: Final = 3
MOST_TIED: Final = 13
"""Settings with equal differences that are tested exactly, as scipy does: 2^13 patterns of signs."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Strategies, best average rank first."""

    strategies: tuple[str, ...]
    settings: int
    average_M: Floats
    """1 is best; strategies that tie share their mean rank."""
    chi_squared: float
    """Friedman's, corrected for ties."""
    p_value: float
    critical_difference: float
    """Nemenyi's, at 5 %."""
    p_values_MM: Floats
    """Wilcoxon's, two-sided; 1 on the diagonal."""
    adjusted_MM: Floats
    """By Holm over all pairs."""
    cliques: tuple[tuple[int, int], ...]
    """First and last place of each maximal run, of two strategies or more, in which no pair differs at 5 %."""

    @property
    def settings_needed(self) -> int:
        """The fewest settings with which a pair can differ: Wilcoxon's smallest p-value is 2^(1 - settings)."""
        pairs = len(self.strategies) * (len(self.strategies) - 1) // 2
        return 2 + floor(log2(pairs / (1 - LEVEL)))


def ranks(strategies: tuple[str, ...], scores_DM: Floats) -> Ranks:
    """Compare strategies over settings; a higher score is better.

    Raises:
        ValueError: fewer than 2 settings or 3 strategies, or a score that is not finite.
    """
    settings, count = scores_DM.shape
    if settings < FEWEST_SETTINGS or count < FEWEST_STRATEGIES or count != len(strategies):
        raise ValueError(
            f"{settings} settings and {count} strategies; ranks need at least {FEWEST_SETTINGS} settings and "
            f"{FEWEST_STRATEGIES} strategies that all of them have"
        )
    if not np.isfinite(scores_DM).all():
        raise ValueError("a score is not finite; rank only strategies that every setting has")
    average_M = stats.rankdata(-scores_DM, axis=1).mean(axis=0)
    order_M = np.lexsort((np.array(strategies), average_M))
    sorted_DM = scores_DM[:, order_M]
    chi_squared, p_value = _friedman(sorted_DM)
    p_values_MM = _wilcoxon(sorted_DM)
    adjusted_MM = _adjusted(p_values_MM)
    return Ranks(
        tuple(strategies[place] for place in order_M),
        settings,
        average_M[order_M],
        chi_squared,
        p_value,
        critical_difference(count, settings),
        p_values_MM,
        adjusted_MM,
        _cliques(adjusted_MM),
    )


def critical_difference(strategies: int, settings: int) -> float:
    """Nemenyi's: average ranks that differ by less are equal at 5 %."""
    quantile = float(stats.studentized_range.ppf(LEVEL, strategies, np.inf)) / sqrt(2)
    return quantile * sqrt(strategies * (strategies + 1) / (6 * settings))


def _friedman(scores_DM: Floats) -> tuple[float, float]:
    if (scores_DM == scores_DM[:, :1]).all():
        return 0.0, 1.0  # every setting is one tie
    chi_squared, p_value = stats.friedmanchisquare(*scores_DM.T)
    return float(chi_squared), float(p_value)


def _wilcoxon(scores_DM: Floats) -> Floats:
    count = scores_DM.shape[1]
    p_values_MM = np.ones((count, count))
    for first, second in combinations(range(count), 2):
        if (scores_DM[:, first] != scores_DM[:, second]).any():
            p_value = wilcoxon(scores_DM[:, first] - scores_DM[:, second])
            p_values_MM[first, second] = p_values_MM[second, first] = p_value
    return p_values_MM


def wilcoxon(differences_D: Floats) -> float:
    """The two-sided p-value of the signed-rank test, without the settings that tie.

    Exact up to 13 settings with equal differences, and up to 50 without. scipy's own exact test of ties calls its
    statistic for each of the 2^D patterns of signs, in Python.
    """
    differences_E = differences_D[differences_D != 0]
    sizes_E = np.abs(differences_E)
    tied = len(np.unique(sizes_E)) < len(differences_D)
    if not tied or len(differences_E) > MOST_TIED:
        return float(stats.wilcoxon(differences_D, method="approx" if tied else "auto").pvalue)
    rank_E = stats.rankdata(sizes_E)
    positive_PE = (np.arange(2 ** len(rank_E))[:, None] >> np.arange(len(rank_E))) & 1
    sum_P, observed = positive_PE @ rank_E, rank_E[differences_E > 0].sum()
    return float(min(1.0, 2 * min((sum_P >= observed).mean(), (sum_P <= observed).mean())))


def _adjusted(p_values_MM: Floats) -> Floats:
    pairs = np.triu_indices(len(p_values_MM), 1)
    adjusted_MM = np.ones_like(p_values_MM)
    adjusted_MM[pairs] = holm(p_values_MM[pairs])
    return np.minimum(adjusted_MM, adjusted_MM.T)


def _cliques(adjusted_MM: Floats) -> tuple[tuple[int, int], ...]:
    """Runs of two places or more, in the order of ranks, that no longer run without a difference contains."""
    equal_MM = adjusted_MM >= 1 - LEVEL
    found: list[tuple[int, int]] = []
    for first in range(len(equal_MM)):
        last = first
        while last + 1 < len(equal_MM) and equal_MM[first : last + 2, first : last + 2].all():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)

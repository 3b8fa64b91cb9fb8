"""Every two strategies of a comparison against each other, over the seeds that both have."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from labelbench_ray.report.statistics.comparison import Comparison, Row, common_seeds, paired_noise, pooled, rows_of
from labelbench_ray.report.statistics.paired import LEVEL, Estimate, area_under_curve, holm
from labelbench_ray.report.statistics.pooled import Pooled, difference


@dataclass(frozen=True, slots=True)
class Pair:
    """The first strategy less the second. Intervals hold for all pairs at once; adjusted p-values are Holm's."""

    first: str
    """The one with the larger mean over the curve, over all of its seeds."""
    second: str
    seeds: tuple[int, ...]
    final: Estimate
    area: Estimate
    final_adjusted: float = 1.0
    area_adjusted: float = 1.0

    @property
    def significant(self) -> bool:
        """The means over the curve differ: Holm's p is below 5 %."""
        return self.area_adjusted < 1 - LEVEL


def pairwise(comparison: Comparison) -> tuple[Pair, ...]:
    """Every pair of strategies with a common seed, in the order of the comparison's rows."""
    pairs = [
        (first, second)
        for first, second in combinations(comparison.rows, 2)
        if common_seeds(first.curves, second.curves)
    ]
    pools = pooled([row.curves for row in comparison.rows])
    found = [_pair(first, second, pools, len(pairs)) for first, second in pairs]
    finals_M = holm(np.array([each.final.p_value for each in found]))
    areas_M = holm(np.array([each.area.p_value for each in found]))
    return tuple(
        Pair(each.first, each.second, each.seeds, each.final, each.area, float(final), float(area))
        for each, final, area in zip(found, finals_M, areas_M, strict=True)
    )


def _pair(first: Row, second: Row, pools: tuple[Pooled | None, Pooled | None], pairs: int) -> Pair:
    seeds = common_seeds(first.curves, second.curves)
    first_ST, second_ST = first.curves.at(seeds), second.curves.at(seeds)
    labels_T = first.curves.labels_T
    area_S = area_under_curve(labels_T, first_ST) - area_under_curve(labels_T, second_ST)
    names = first.strategy, second.strategy
    final, area = rows_of(paired_noise(first.curves, second.curves), labels_T)
    return Pair(
        *names,
        seeds,
        difference(first_ST[:, -1] - second_ST[:, -1], *names, pools[0], pairs, final),
        difference(area_S, *names, pools[1], pairs, area),
    )

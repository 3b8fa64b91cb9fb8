"""One setting's strategies on one metric: what each reaches, and how it differs from the baseline, by paired seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_ray.report.curves import RANDOM, Run, Setting, noun
from labelbench_ray.report.statistics.paired import (
    ENOUGH_PAIRS,
    Estimate,
    Floats,
    area_under_curve,
    estimate,
    holm,
)
from labelbench_ray.report.statistics.pooled import Pooled, difference, pool
from labelbench_ray.report.statistics.savings import Saving, saving


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """A strategy's seeds at the checkpoints that all compared trials of the setting have."""

    strategy: str
    seeds: tuple[int, ...]
    labels_T: Floats
    values_ST: Floats

    def at(self, seeds: tuple[int, ...]) -> Floats:
        """The rows of these seeds, in their order."""
        rows_ST: Floats = self.values_ST[[self.seeds.index(seed) for seed in seeds]]
        return rows_ST


@dataclass(frozen=True, slots=True)
class Difference:
    """A strategy less the baseline over their common seeds.

    Intervals hold for all strategies that the setting compares with the baseline at once; adjusted p-values are Holm's.
    """

    seeds: tuple[int, ...]
    final: Estimate
    area: Estimate
    saving: Saving
    final_adjusted: float = 1.0
    area_adjusted: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What is known of one strategy. `difference` is absent for the baseline itself and without a common seed."""

    strategy: str
    curves: Curves
    final: Estimate
    area: Estimate
    difference: Difference | None
    is_baseline: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A setting on one metric; rows by area under the curve, best first."""

    metric: str
    labels: tuple[int, ...]
    rows: tuple[Row, ...]
    baseline: str = RANDOM
    """The strategy that the others are compared with; it may have no row."""

    @property
    def has_baseline(self) -> bool:
        """The baseline has a row."""
        return self.row(self.baseline) is not None

    @property
    def noun(self) -> str:
        """The metric within a sentence."""
        return noun(self.metric)

    @property
    def compared(self) -> int:
        """How many strategies are compared with the baseline."""
        return sum(row.difference is not None for row in self.rows)

    def row(self, strategy: str) -> Row | None:
        """The strategy's row, if it has any finished trial."""
        return next((row for row in self.rows if row.strategy == strategy), None)


def compare(setting: Setting, metric: str) -> Comparison | None:
    """The setting's strategies on a metric at the checkpoints that all have; None where no trial has recorded it."""
    runs = [run for run in setting.compared if run.curve(metric)]
    if not runs:
        return None
    labels = sorted(set.intersection(*(set(run.curve(metric)) for run in runs)))
    if not labels:
        return None
    trials: dict[str, list[Run]] = {}
    for run in runs:
        trials.setdefault(run.strategy, []).append(run)
    every = [curves_of(name, trials[name], metric, labels) for name in setting.strategies if name in trials]
    return compare_curves(metric, every, setting.baseline)


def compare_curves(metric: str, every: list[Curves], baseline: str) -> Comparison:
    """The same for curves at equal checkpoints; at least one."""
    found = differences(every, baseline)
    rows = [_row(curves, found.get(curves.strategy), baseline) for curves in every]
    labels = tuple(int(count) for count in every[0].labels_T)
    return Comparison(metric, labels, tuple(sorted(rows, key=lambda row: -row.area.value)), baseline)


def paired_difference(first: Row, second: Row) -> Estimate | None:
    """The first strategy's area less the second's over their common seeds; None without any."""
    seeds = common_seeds(first.curves, second.curves)
    if not seeds:
        return None
    areas = (area_under_curve(row.curves.labels_T, row.curves.at(seeds)) for row in (first, second))
    first_S, second_S = areas
    return estimate(first_S - second_S)


def curves_of(strategy: str, mine: Sequence[Run], metric: str, labels: Sequence[int]) -> Curves:
    """A strategy's trials, a seed each, at these checkpoints."""
    values_ST = np.array([[run.curve(metric)[count] for count in labels] for run in mine], dtype=np.float64)
    return Curves(strategy, tuple(run.trial.seed for run in mine), np.array(labels, dtype=np.float64), values_ST)


def _row(curves: Curves, difference: Difference | None, baseline: str) -> Row:
    final, area_S = curves.values_ST[:, -1], area_under_curve(curves.labels_T, curves.values_ST)
    is_baseline = curves.strategy == baseline
    return Row(curves.strategy, curves, estimate(final), estimate(area_S), difference, is_baseline)


def differences(every: list[Curves], baseline: str = RANDOM) -> dict[str, Difference]:
    """Every strategy less the baseline, by name; nothing without the baseline."""
    reference = next((curves for curves in every if curves.strategy == baseline), None)
    if reference is None:
        return {}
    rivals = [curves for curves in every if curves is not reference and common_seeds(curves, reference)]
    pools = pooled([reference, *rivals])
    return _adjust({curves.strategy: _difference(curves, reference, pools, len(rivals)) for curves in rivals})


def pooled(every: Sequence[Curves]) -> tuple[Pooled | None, Pooled | None]:
    """The variances of final values and of areas, over the seeds that all strategies with three seeds or more share."""
    enough = [curves for curves in every if len(curves.seeds) >= ENOUGH_PAIRS]
    if not enough:
        return None, None
    seeds = tuple(sorted(set.intersection(*(set(curves.seeds) for curves in enough))))
    values_ST = {curves.strategy: curves.at(seeds) for curves in enough}
    areas = {name: area_under_curve(enough[0].labels_T, each_ST) for name, each_ST in values_ST.items()}
    return pool({name: each_ST[:, -1] for name, each_ST in values_ST.items()}), pool(areas)


def _difference(
    curves: Curves, reference: Curves, pools: tuple[Pooled | None, Pooled | None], comparisons: int
) -> Difference:
    names = curves.strategy, reference.strategy
    seeds = common_seeds(curves, reference)
    mine_ST, baseline_ST = curves.at(seeds), reference.at(seeds)
    area_S = area_under_curve(curves.labels_T, mine_ST) - area_under_curve(curves.labels_T, baseline_ST)
    return Difference(
        seeds,
        difference(mine_ST[:, -1] - baseline_ST[:, -1], *names, pools[0], comparisons),
        difference(area_S, *names, pools[1], comparisons),
        saving(curves.labels_T, mine_ST, baseline_ST, comparisons),
    )


def _adjust(found: dict[str, Difference]) -> dict[str, Difference]:
    finals_M = holm(np.array([each.final.p_value for each in found.values()]))
    areas_M = holm(np.array([each.area.p_value for each in found.values()]))
    return {
        name: Difference(each.seeds, each.final, each.area, each.saving, float(final), float(area))
        for (name, each), final, area in zip(found.items(), finals_M, areas_M, strict=True)
    }


def common_seeds(first: Curves, second: Curves) -> tuple[int, ...]:
    """The seeds that both strategies have."""
    return tuple(sorted(set(first.seeds) & set(second.seeds)))

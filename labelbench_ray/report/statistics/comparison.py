"""One setting's strategies on one metric: what each reaches, and how it differs from the baseline, by paired seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from labelbench_ray.ledger.hits import Bits
from labelbench_ray.report import words
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
from labelbench_ray.report.statistics.row_hits import NO_ROW_HITS, RowHits, area_weights, noise_of, read_row_hits
from labelbench_ray.report.statistics.savings import Saving, saving
from labelbench_ray.report.statistics.two_way import RowNoise, RowParts

ALONE: Final = (1,)
PAIR: Final = (1, -1)
"""Signs of the strategies in a mean and in a difference."""


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """A strategy's seeds at the checkpoints that all compared trials of the setting have."""

    strategy: str
    seeds: tuple[int, ...]
    labels_T: Floats
    values_ST: Floats
    bits: Bits | None = None
    """(S, T, B) which test rows are right; None where intervals are over seeds only."""

    def at(self, seeds: tuple[int, ...]) -> Floats:
        """The values of these seeds, in their order."""
        rows_ST: Floats = self.values_ST[[self.seeds.index(seed) for seed in seeds]]
        return rows_ST

    def bits_at(self, seeds: tuple[int, ...]) -> Bits | None:
        """The hits of these seeds, in their order."""
        return self.bits and Bits(self.bits.packed[[self.seeds.index(seed) for seed in seeds]], self.bits.rows)


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
    noise: RowNoise | None = None
    """Of the test rows, whose columns are the strategy's checkpoints and then the baseline's."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What is known of one strategy. `difference` is absent for the baseline itself and without a common seed."""

    strategy: str
    curves: Curves
    final: Estimate
    area: Estimate
    difference: Difference | None
    is_baseline: bool = False
    noise: RowNoise | None = None
    """Of the test rows at its checkpoints."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A setting on one metric; rows by area under the curve, best first."""

    metric: str
    labels: tuple[int, ...]
    rows: tuple[Row, ...]
    baseline: str = RANDOM
    """The strategy that the others are compared with; it may have no row."""
    over_seeds_only: str = ""
    """Why intervals do not include the noise of the test rows; "" where they do."""

    @property
    def test_rows(self) -> int:
        """How many rows' noise the intervals include; 0: they are over seeds only."""
        bits = self.rows[0].curves.bits
        return bits.rows if bits else 0

    @property
    def intervals(self) -> str:
        """What intervals include, in a sentence; empty where there are none."""
        if not any(row.final.has_interval for row in self.rows):
            return ""
        return words.noise_included(self.test_rows, self.over_seeds_only)

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
    hits = read_row_hits(runs, metric, labels)
    every = [curves_of(name, trials[name], metric, labels, hits) for name in setting.strategies if name in trials]
    return compare_curves(metric, every, setting.baseline, hits.missing)


def compare_curves(
    metric: str, every: list[Curves], baseline: str, over_seeds_only: str = "the hits of test rows are not given"
) -> Comparison:
    """The same for curves at equal checkpoints; at least one."""
    found = differences(every, baseline)
    rows = [_row(curves, found.get(curves.strategy), baseline) for curves in every]
    labels = tuple(int(count) for count in every[0].labels_T)
    return Comparison(metric, labels, tuple(sorted(rows, key=lambda row: -row.area.value)), baseline, over_seeds_only)


def paired_difference(comparison: Comparison, first: Row, second: Row) -> Estimate | None:
    """The first strategy's area less the second's over their common seeds, pooled as others; None without any."""
    seeds = common_seeds(first.curves, second.curves)
    if not seeds:
        return None
    areas = (area_under_curve(row.curves.labels_T, row.curves.at(seeds)) for row in (first, second))
    first_S, second_S = areas
    _, rows = rows_of(paired_noise(first.curves, second.curves), first.curves.labels_T)
    _, areas_pool = pooled([row.curves for row in comparison.rows])
    return difference(first_S - second_S, first.strategy, second.strategy, areas_pool, rows=rows)


def paired_noise(first: Curves, second: Curves) -> RowNoise | None:
    """The noise of test rows, over common seeds; columns are the first one's checkpoints and then the second one's."""
    seeds = common_seeds(first, second)
    return noise_of(first.bits_at(seeds), second.bits_at(seeds))


def rows_of(
    noise: RowNoise | None, labels_T: Floats, signs: Sequence[int] = PAIR
) -> tuple[RowParts | None, RowParts | None]:
    """What rows add to the final value and to the area, by default of the difference of two strategies."""
    if noise is None:
        return None, None
    ends_T, area_T = np.eye(len(labels_T), dtype=np.float64)[-1], area_weights(labels_T)
    return noise.of(np.array([np.kron(signs, ends_T)])), noise.of(np.array([np.kron(signs, area_T)]))


def at_checkpoints(noise: RowNoise | None, scale: float, signs: Sequence[int] = PAIR) -> RowParts | None:
    """What rows add at each checkpoint, to values that are multiplied by `scale`."""
    if noise is None:
        return None
    one_TT = np.eye(len(noise.rows_CC) // len(signs))
    return noise.of(np.hstack([scale * sign * one_TT for sign in signs]))


def curves_of(
    strategy: str, mine: Sequence[Run], metric: str, labels: Sequence[int], hits: RowHits = NO_ROW_HITS
) -> Curves:
    """A strategy's trials, a seed each, at these checkpoints."""
    values_ST = np.array([[run.curve(metric)[count] for count in labels] for run in mine], dtype=np.float64)
    seeds = tuple(run.trial.seed for run in mine)
    return Curves(strategy, seeds, np.array(labels, dtype=np.float64), values_ST, hits.of(mine))


def _row(curves: Curves, difference: Difference | None, baseline: str) -> Row:
    final_S, area_S = curves.values_ST[:, -1], area_under_curve(curves.labels_T, curves.values_ST)
    noise = noise_of(curves.bits)
    final, area = rows_of(noise, curves.labels_T, ALONE)
    estimates = estimate(final_S, rows=final), estimate(area_S, rows=area)
    return Row(curves.strategy, curves, *estimates, difference, curves.strategy == baseline, noise)


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
    seeds, noise = common_seeds(curves, reference), paired_noise(curves, reference)
    mine_ST, baseline_ST = curves.at(seeds), reference.at(seeds)
    area_S = area_under_curve(curves.labels_T, mine_ST) - area_under_curve(curves.labels_T, baseline_ST)
    final, area = rows_of(noise, curves.labels_T)
    return Difference(
        seeds,
        difference(mine_ST[:, -1] - baseline_ST[:, -1], *names, pools[0], comparisons, final),
        difference(area_S, *names, pools[1], comparisons, area),
        saving(curves.labels_T, mine_ST, baseline_ST, comparisons, noise),
        noise=noise,
    )


def _adjust(found: dict[str, Difference]) -> dict[str, Difference]:
    finals_M = holm(np.array([each.final.p_value for each in found.values()]))
    areas_M = holm(np.array([each.area.p_value for each in found.values()]))
    return {
        name: replace(each, final_adjusted=float(final), area_adjusted=float(area))
        for (name, each), final, area in zip(found.items(), finals_M, areas_M, strict=True)
    }


def common_seeds(first: Curves, second: Curves) -> tuple[int, ...]:
    """The seeds that both strategies have."""
    return tuple(sorted(set(first.seeds) & set(second.seeds)))

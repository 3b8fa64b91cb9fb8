"""A setting of ours beside the published ones on the same data set: ranks, savings, and the published findings.

Encoders, trainers and budgets differ, so what is compared is the order of strategies and the share of labels saved,
never an accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import permutations
from typing import Final

import numpy as np

from labelbench_ray.report.curves import RANDOM, Setting
from labelbench_ray.report.published.curves import DATA_SETS, PublishedSetting, labelbench
from labelbench_ray.report.statistics.comparison import Comparison, Curves, common_seeds, paired_difference
from labelbench_ray.report.statistics.paired import Estimate, Floats, area_under_curve
from labelbench_ray.report.statistics.ranking import correlations
from labelbench_ray.report.statistics.savings import Saving, saving

FEWEST: Final = 4
"""Strategies: of three, every sixth order agrees by chance."""
MOST_ENUMERATED: Final = 8
"""Strategies of which all orders are tried."""
SAMPLED: Final = 20_000
_SEED: Final = 20230616
FINDINGS: Final = (("random", "coreset"), ("margin", "confidence"), ("confidence", "entropy"))
"""The first is published to be ahead: core-set below random, and margin, confidence and entropy in this order."""


@dataclass(frozen=True, slots=True)
class BesideStrategy:
    """One strategy here and there; savings are None for random and where no seed is paired."""

    strategy: str
    rank: int
    published_rank: int
    saving: Saving | None
    published_saving: Saving | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The first strategy's area under the curve less the second's, here and there."""

    first: str
    second: str
    here: Estimate | None
    published: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Our setting beside one published setting."""

    published: PublishedSetting
    strategies: tuple[BesideStrategy, ...]
    """The strategies that both have, best of ours first."""
    correlation: float
    """Spearman's, of the mean areas under the curves."""
    p_value: float
    """The probability that orders drawn at random agree as much: one-sided, by permutations."""
    findings: tuple[Finding, ...]


def beside_labelbench(setting: Setting, main: Comparison | None) -> tuple[Beside, ...]:
    """A setting beside LabelBench's on the same data set; empty where it published none."""
    dataset = setting.trial.dataset.name
    return beside(main, dataset, labelbench()) if main is not None and dataset in DATA_SETS else ()


def beside(comparison: Comparison, dataset: str, every: Sequence[PublishedSetting]) -> tuple[Beside, ...]:
    """Our comparison beside each published setting on the data set that shares four strategies or more with it.

    The setting with the highest number of shared strategies comes first.
    """
    found = []
    for setting in every:
        names = [row.strategy for row in comparison.rows if row.strategy in setting.curves]
        if setting.dataset == dataset and len(names) >= FEWEST:
            found.append(_beside(comparison, setting, names))
    return tuple(sorted(found, key=lambda each: -len(each.strategies)))


def _beside(comparison: Comparison, setting: PublishedSetting, names: list[str]) -> Beside:
    ours_M = np.array([row.area.value for row in comparison.rows if row.strategy in names])
    published = published_areas(setting, names)
    theirs_M = np.array([*published.values()])
    ranks_M, published_M = (np.argsort(np.argsort(-areas_M, kind="stable")) + 1 for areas_M in (ours_M, theirs_M))
    return Beside(
        setting,
        tuple(
            BesideStrategy(
                name,
                int(ranks_M[place]),
                int(published_M[place]),
                _our_saving(comparison, name),
                _published_saving(setting, name),
            )
            for place, name in enumerate(names)
        ),
        float(correlations(ours_M[None], theirs_M[None])[0]),
        permutation_p(ours_M, theirs_M),
        tuple(_findings(comparison, published)),
    )


def permutation_p(first_M: Floats, second_M: Floats) -> float:
    """How often an order drawn at random has at least this rank correlation: exact up to 8 strategies."""
    count = len(first_M)
    observed = correlations(first_M[None], second_M[None])[0]
    if count <= MOST_ENUMERATED:
        orders_PM = np.array(list(permutations(range(count))))
        drawn_P = correlations(np.broadcast_to(first_M, orders_PM.shape), second_M[orders_PM])
        return float((drawn_P >= observed - 1e-12).mean())
    orders_PM = np.random.default_rng(_SEED).permuted(np.tile(np.arange(count), (SAMPLED, 1)), axis=1)
    drawn_P = correlations(np.broadcast_to(first_M, orders_PM.shape), second_M[orders_PM])
    return float(((drawn_P >= observed - 1e-12).sum() + 1) / (SAMPLED + 1))


def published_areas(setting: PublishedSetting, names: Sequence[str]) -> dict[str, float]:
    """The mean area under each strategy's curve, over the checkpoints that all of these strategies have."""
    shared_T = reduce(np.intersect1d, (setting.curves[name].labels_T for name in names))
    return {name: _area(setting.curves[name], shared_T) for name in names}


def _area(curves: Curves, labels_T: Floats) -> float:
    return float(area_under_curve(labels_T, curves.values_ST[:, np.isin(curves.labels_T, labels_T)]).mean())


def _our_saving(comparison: Comparison, name: str) -> Saving | None:
    row = comparison.row(name)
    return row.difference.saving if row is not None and row.difference and comparison.baseline == RANDOM else None


def _published_saving(setting: PublishedSetting, name: str) -> Saving | None:
    mine, random = setting.curves[name], setting.curves.get(RANDOM)
    if random is None or name == RANDOM or not (seeds := common_seeds(mine, random)):
        return None
    shared = np.isin(random.labels_T, mine.labels_T)
    labels_T = random.labels_T[shared]
    return saving(labels_T, mine.at(seeds)[:, np.isin(mine.labels_T, labels_T)], random.at(seeds)[:, shared])


def _findings(comparison: Comparison, published: Mapping[str, float]) -> list[Finding]:
    found = []
    for first, second in FINDINGS:
        ahead, behind = comparison.row(first), comparison.row(second)
        if ahead is None or behind is None or not {first, second} <= published.keys():
            continue
        here = paired_difference(comparison, ahead, behind)
        found.append(Finding(first, second, here, published[first] - published[second]))
    return found

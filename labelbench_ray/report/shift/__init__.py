"""Distribution shift: what strategies reach on other rows than the pool's kind, and whether their ranking stays.

A shift is an evaluation split beyond validation and test, or several that differ in their severity alone
(`test_noise_1`, `test_noise_2`, ..), whose values are averaged. Seeds are paired: within a seed, a strategy is measured
in and out of distribution with the same models. Where images of a sample of the test rows are corrupted, "in
distribution" are the plain images of that sample (`test_sample`): other rows would be a shift of their own.
Letters: S seeds, T checkpoints, C splits.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import SPLITS, split_title
from labelbench_ray.datasets._evaluation import PRIOR_SPLIT
from labelbench_ray.datasets.shifts.corruptions import SAMPLE, is_corrupted
from labelbench_ray.report.curves import Setting
from labelbench_ray.report.shift.ranking import BySeed, Ranking, common, rank
from labelbench_ray.report.statistics.comparison import compare
from labelbench_ray.report.statistics.paired import Estimate, area_under_curve, estimate


@dataclass(frozen=True, slots=True)
class Reached:
    """What a strategy reaches with the last labels that all have, over its seeds."""

    strategy: str
    inside: Estimate
    outside: Estimate
    gap: Estimate
    """Outside less inside, paired by seed."""
    worst: Estimate | None
    """Of the worst group, or of the worst of several splits; None where there is neither."""
    inside_f1: Estimate | None
    outside_f1: Estimate | None


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift: its splits, how many rows decide, and what became of the strategies."""

    name: str
    splits: tuple[str, ...]
    rows: int
    """Test rows of a split, the mean over its splits; 0 where that is not known."""
    effective_rows: float | None
    """Of reweighted rows, to how many they amount."""
    reached: tuple[Reached, ...]
    ranking: Ranking | None
    """None for one strategy, or without a common seed."""


def shifts(setting: Setting) -> tuple[Shift, ...]:
    """The setting's shifts in the order in which they were measured; none without such splits."""
    splits = dict.fromkeys(split for run in setting.compared for record in run.records for split in record.groups)
    corrupted_of = baseline_of(splits)
    found = (
        _shift(setting, name, each, corrupted_of if all(map(is_corrupted, each)) else "test")
        for name, each in families([*splits]).items()
    )
    return tuple(shift for shift in found if shift is not None)


def families(splits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Evaluation splits beyond the usual ones; those that differ in a severity alone are one family."""
    further = [split for split in splits if split not in (*SPLITS, baseline_of(splits))]
    stems = [re.sub(r"_[1-9]$", "", split) if not split.startswith(PRIOR_SPLIT) else split for split in further]
    names = [stem if stems.count(stem) > 1 else split for stem, split in zip(stems, further, strict=True)]
    return {
        name: tuple(split for split, mine in zip(further, names, strict=True) if mine == name)
        for name in dict.fromkeys(names)
    }


def baseline_of(splits: Collection[str]) -> str:
    """The split with the plain rows of those that are corrupted here: a sample of the test rows, or all of them."""
    return SAMPLE if SAMPLE in splits and any(map(is_corrupted, splits)) else "test"


def _shift(setting: Setting, name: str, splits: tuple[str, ...], baseline: str) -> Shift | None:
    primary = setting.metrics[0].removeprefix("Test ")
    titles, plain = [split_title(split) for split in splits], split_title(baseline)
    outside = _finals_and_areas(setting, [f"{title} {primary}" for title in titles])
    inside = _finals_and_areas(setting, [setting.metrics[0] if baseline == "test" else f"{plain} {primary}"])
    if not inside[0] or not outside[0]:
        return None
    notes = [run.data.rows for run in setting.compared]
    rows = [note[split] for note in notes[:1] for split in splits if split in note]
    ranked_by = outside[1]
    if splits[0].startswith(PRIOR_SPLIT):  # whose means are balanced accuracy for every alpha
        ranked_by = _finals_and_areas(setting, [f"{title} Worst Group {primary}" for title in titles])[1]
        rows = [note["test"] for note in notes[:1] if "test" in note]
    effective, _ = _finals_and_areas(setting, [f"{title} Effective Rows" for title in titles])
    worst = _worst(setting, titles, primary)
    inside_f1, outside_f1 = (
        _finals_and_areas(setting, [f"{title} Macro F1" for title in some])[0] for some in ([plain], titles)
    )
    return Shift(
        name,
        splits,
        round(float(np.mean(rows))) if rows else 0,
        float(np.mean([value for seeds in effective.values() for value in seeds.values()])) if effective else None,
        tuple(
            Reached(
                strategy,
                _over(inside[0][strategy]),
                _over(mine),
                estimate(
                    np.array([mine[seed] - inside[0][strategy][seed] for seed in common(mine, inside[0][strategy])])
                ),
                _over(worst[strategy]) if strategy in worst else None,
                _over(inside_f1[strategy]) if strategy in inside_f1 else None,
                _over(outside_f1[strategy]) if strategy in outside_f1 else None,
            )
            for strategy, mine in outside[0].items()
            if common(mine, inside[0].get(strategy, {}))
        ),
        rank(inside[1], ranked_by),
    )


def _finals_and_areas(setting: Setting, metrics: Sequence[str]) -> tuple[BySeed, BySeed]:
    """The mean over these metrics with the last labels that all have, and over the curve; empty where one is absent."""
    comparisons = [compare(setting, metric) for metric in metrics]
    found = [comparison for comparison in comparisons if comparison is not None]
    if len(found) < len(metrics) or not found:
        return {}, {}
    finals: BySeed = {}
    areas: BySeed = {}
    for row in found[0].rows:
        others = [comparison.row(row.strategy) for comparison in found]
        curves = [other.curves for other in others if other is not None]
        seeds = sorted(set.intersection(*(set(each.seeds) for each in curves)))
        if len(curves) < len(found) or not seeds:
            continue
        values_STC = np.stack([each.at(tuple(seeds)) for each in curves], axis=-1)
        mean_ST = values_STC.mean(axis=-1)
        finals[row.strategy] = dict(zip(seeds, mean_ST[:, -1].tolist(), strict=True))
        area_S = area_under_curve(curves[0].labels_T, mean_ST)
        areas[row.strategy] = dict(zip(seeds, area_S.tolist(), strict=True))
    return finals, areas


def _worst(setting: Setting, titles: Sequence[str], primary: str) -> BySeed:
    """Of each seed, the worst group's value of any of these splits, or the worst split's where none has groups."""
    found = [_finals_and_areas(setting, [f"{title} Worst Group {primary}"])[0] for title in titles]
    if not all(found):
        if len(titles) < 2:
            return {}
        found = [_finals_and_areas(setting, [f"{title} {primary}"])[0] for title in titles]
    return {
        strategy: {
            seed: min(each[strategy][seed] for each in found) for seed in common(*(each[strategy] for each in found))
        }
        for strategy in found[0]
        if all(strategy in each for each in found)
    }


def _over(values: dict[int, float]) -> Estimate:
    found_S: NDArray[np.float64] = np.array(list(values.values()), np.float64)
    return estimate(found_S)

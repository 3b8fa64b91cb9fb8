"""Rare classes: what strategies found of them, how many labels random needs for the same, which arms were played.

A class is rare that has less than half as many rows in the pool as the mean class. The label-efficiency ratio at an
accuracy is random's number of labels for it divided by the strategy's; both are read off the running maxima of mean
curves. Random may have more rounds than the others: those are used here, and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isinf
from typing import Final

import numpy as np

from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report.curves import RANDOM, Run, Setting
from labelbench_ray.report.rare_classes.arms import Counts, Played, played, reward
from labelbench_ray.report.statistics.comparison import compare
from labelbench_ray.report.statistics.paired import Estimate, Floats, estimate
from labelbench_ray.report.statistics.savings import first_crossing

RARE: Final = 0.5
"""Rows of a rare class, at most, as a share of the mean class's."""
BALANCED: Final = "Balanced Test Accuracy"
SHARES: Final = (0.5, 0.75, 0.9, 1.0)
"""Parts of random's range, from its first batch to its best, at which label efficiency is stated."""


@dataclass(frozen=True, slots=True)
class Multiple:
    """Random's labels for an accuracy divided by a strategy's."""

    accuracy: float
    labels: float
    """The strategy's; infinite: it does not get there."""
    random_labels: float
    """Infinite: random does not get there in all its rounds."""
    at_least: bool
    """Random does not get there, so that the ratio is a lower bound."""
    ratio: float
    """0 where the strategy does not get there."""
    low: float
    high: float
    """95 % over the seeds' own ratios, on a logarithmic scale; 0 and infinity where a seed has none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a strategy bought, at the labels that all strategies have."""

    strategy: str
    seeds: int
    rare: Estimate
    """Rows of rare classes."""
    least: float
    """Labels of the class with the fewest, mean over the seeds, as the next two."""
    median: float
    imbalance: float
    """Labels of the class with the most for each label of the one with the fewest, counted as 1 at least."""
    reward: float
    """What the labels after the first batch were worth when they were bought, mean over the seeds."""
    multiples: tuple[Multiple, ...]
    """At `SHARES` of random's range; none without random."""
    own_best: Multiple | None
    """At the strategy's own best accuracy."""


@dataclass(frozen=True, slots=True)
class RareClasses:
    """A setting's pool with rare classes, and what became of them."""

    metric: str
    rare: tuple[int, ...]
    """The rare classes, by number."""
    pool_rows: int
    """Rows of rare classes in the pool."""
    pool_imbalance: float
    labels: int
    """The labels at which strategies are compared."""
    random_labels: int
    """The most labels that random has."""
    found: tuple[Found, ...]
    played: tuple[Played, ...]


def rare_classes(setting: Setting) -> RareClasses | None:
    """The setting's section; None where no class is rare, or the pool's classes are not known."""
    setting = _with_classes(setting)
    counts_K = np.array(next((run.data.class_counts for run in setting.runs if run.data.class_counts), ()), np.int64)
    if not len(counts_K) or not (rare_C := np.flatnonzero(counts_K < RARE * counts_K.mean())).size:
        return None
    metric = BALANCED if any(run.curve(BALANCED) for run in setting.compared) else setting.metrics[0]
    comparison = compare(setting, metric)
    if comparison is None:
        return None
    labels = comparison.labels[-1]
    random = [run for run in setting.compared if run.strategy == RANDOM]
    return RareClasses(
        metric,
        tuple(rare_C.tolist()),
        int(counts_K[rare_C].sum()),
        float(counts_K.max() / max(1, counts_K.min())),
        labels,
        max((max(run.curve(metric), default=0) for run in random), default=0),
        tuple(
            _found(list(setting.by_seed(row.strategy).values()), random, metric, labels, rare_C, len(counts_K))
            for row in comparison.rows
        ),
        tuple(played(setting, comparison, rare_C, len(counts_K))),
    )


def _found(
    runs: Sequence[Run], random: Sequence[Run], metric: str, labels: int, rare_C: Counts, num_classes: int
) -> Found:
    bought_SK = np.stack([_bought(run, labels, num_classes) for run in runs])
    least_S, most_S = bought_SK.min(axis=1), bought_SK.max(axis=1)
    curves = [_until(run, metric, labels) for run in runs]
    return Found(
        runs[0].strategy,
        len(runs),
        estimate(bought_SK[:, rare_C].sum(axis=1).astype(np.float64)),
        float(least_S.mean()),
        float(np.median(bought_SK, axis=1).mean()),
        float((most_S / np.maximum(least_S, 1)).mean()),
        float(np.mean([reward(run, labels, num_classes) for run in runs])),
        tuple(multiple(runs, random, metric, labels, target) for target in targets(random, metric)),
        multiple(runs, random, metric, labels, max(_mean(curves).values())) if random else None,
    )


def targets(random: Sequence[Run], metric: str) -> tuple[float, ...]:
    """The accuracies at `SHARES` of random's range."""
    if not random:
        return ()
    mean = _mean([run.curve(metric) for run in random])
    first, best = mean[min(mean)], max(mean.values())
    return tuple(first + share * (best - first) for share in SHARES)


def multiple(runs: Sequence[Run], random: Sequence[Run], metric: str, labels: int, accuracy: float) -> Multiple:
    """Random's labels for an accuracy ÷ those of these trials, of which no more than `labels` count."""
    mine = {run.trial.seed: _until(run, metric, labels) for run in runs}
    theirs = {run.trial.seed: run.curve(metric) for run in random}
    needed, random_needed = (_needed(_mean(list(each.values())), accuracy) for each in (mine, theirs))
    most = max(_mean(list(theirs.values())))
    logs_S = [
        np.log(_needed(theirs[seed], accuracy) / _needed(mine[seed], accuracy))
        for seed in mine.keys() & theirs.keys()
        if not isinf(_needed(mine[seed], accuracy)) and not isinf(_needed(theirs[seed], accuracy))
    ]
    complete = len(logs_S) == len(mine.keys() & theirs.keys()) and len(logs_S) > 1
    spread = estimate(np.array(logs_S)) if complete else None
    ratio = 0.0 if isinf(needed) else min(random_needed, most) / needed
    return Multiple(
        accuracy,
        needed,
        random_needed,
        isinf(random_needed),
        ratio,
        float(np.exp(spread.low)) if spread else 0.0,
        float(np.exp(spread.high)) if spread else inf,
    )


def _bought(run: Run, labels: int, num_classes: int) -> Counts:
    """(K,) labels of each class among the first ones."""
    bought = [label for record in run.records if record.num_labeled <= labels for label in record.labels]
    return np.bincount(np.array(bought, np.int64), minlength=num_classes)


def _with_classes(setting: Setting) -> Setting:
    """The setting without answers that name no class."""
    wasted = any(None in record.labels for run in setting.runs for record in run.records)
    return replace(setting, runs=tuple(map(_of_classes, setting.runs))) if wasted else setting


def _of_classes(run: Run) -> Run:
    return replace(run, records=tuple(map(_answered, run.records)))


def _answered(record: RoundRecord) -> RoundRecord:
    kept = [place for place, label in enumerate(record.labels) if label is not None]
    aligned = {"chosen": record.chosen, "labels": record.labels, "notes": record.notes}
    return record.model_copy(
        update={name: tuple(each[place] for place in kept) for name, each in aligned.items() if each}
    )


def _until(run: Run, metric: str, labels: int) -> dict[int, float]:
    return {count: value for count, value in run.curve(metric).items() if count <= labels}


def _mean(curves: Sequence[dict[int, float]]) -> dict[int, float]:
    """The mean curve at the labels that all have."""
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    return {count: float(np.mean([curve[count] for curve in curves])) for count in common}


def _needed(curve: dict[int, float], accuracy: float) -> float:
    labels_T: Floats = np.array(sorted(curve), np.float64)
    return first_crossing(labels_T, np.array([curve[int(count)] for count in labels_T]) - accuracy)

"""How far the proxy can be trusted: its batches, scores and accuracy beside those of the full model on the same labels.

Fine-tunes at a trial's budgets record the fidelity of the round's proxy. Here they are averaged over seeds, turned into
labels that each needs for the same accuracy, and searched for an overlap below which the accuracy gap grows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from labelbench_ray.report.curves import PRIMARY, Run, Setting
from labelbench_ray.report.savings import first_crossing
from labelbench_ray.report.statistics import LEVEL, Estimate, Floats, estimate

OVERLAP: Final = "Fidelity Batch Overlap"
CORRELATION: Final = "Fidelity Score Correlation"
GAP: Final = "Fidelity Accuracy Gap"
ENOUGH_POINTS: Final = 12
"""So many (trial, round) points are needed before a threshold is sought."""
LEAST_SIDE: Final = 3
"""So many of them must lie on each side of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """Means over seeds at one number of labels; None where it is not recorded."""

    labels: int
    overlap: Estimate | None
    correlation: Estimate | None
    gap: Estimate | None


@dataclass(frozen=True, slots=True)
class Trust:
    """One strategy's proxy beside one full model."""

    setting: Setting
    strategy: str
    recipe: str
    lines: tuple[Line, ...]
    target: float
    """The lower of both final mean accuracies."""
    first_labels: float
    """The fewest at which both were measured: what is reached there may have been reached before."""
    proxy_labels: float
    """Needed for the target; infinite where it is not reached."""
    full_labels: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """A level gap above an overlap and a gap that grows below it, by least squares.

    `overlap` is None where that tells no more than one level for all, by an F-test at 5 %, or says that the gap falls.
    """

    points: int
    p_value: float
    overlap: float | None
    level: float
    """The mean gap above it."""
    slope: float
    """How much the gap grows for each 0.1 of overlap below it."""


def trusts(settings: tuple[Setting, ...]) -> tuple[Trust, ...]:
    """One for each setting, strategy and full model of which fidelity was recorded."""
    found = (
        _trust(setting, strategy, recipe)
        for setting in settings
        for strategy in setting.strategies
        for recipe in dict.fromkeys(point.recipe for run in setting.of(strategy) for point in run.finetunes)
    )
    return tuple(trust for trust in found if trust is not None)


def threshold(settings: tuple[Setting, ...]) -> Threshold | None:
    """Over all trials and rounds that have both overlap and gap; None with too few of them."""
    pairs_P2 = overlaps_and_gaps(settings)
    return fit_threshold(*pairs_P2.T) if len(pairs_P2) >= ENOUGH_POINTS else None


def overlaps_and_gaps(settings: tuple[Setting, ...]) -> Floats:
    """(P, 2): overlap and gap of every trial and round that has both."""
    pairs = [
        (point.metrics[OVERLAP], point.metrics[GAP])
        for setting in settings
        for run in setting.runs
        for point in run.finetunes
        if OVERLAP in point.metrics and GAP in point.metrics
    ]
    return np.array(pairs, np.float64).reshape(-1, 2)


def fit_threshold(overlap_P: Floats, gap_P: Floats) -> Threshold:
    """Least squares of gap on max(0, c - overlap) with an intercept, c among the overlaps that were measured."""
    points = len(gap_P)
    flat = float(((gap_P - gap_P.mean()) ** 2).sum())
    ordered = np.sort(overlap_P)
    best = (flat, np.nan, float(gap_P.mean()), 0.0)
    for cut in np.unique(ordered[LEAST_SIDE : points - LEAST_SIDE]):
        design = np.column_stack([np.ones(points), np.maximum(0, cut - overlap_P)])
        if np.count_nonzero(design[:, 1]) < LEAST_SIDE:
            continue
        (level, slope), *_ = np.linalg.lstsq(design, gap_P)
        error = float(((gap_P - design @ np.array([level, slope])) ** 2).sum())
        best = min(best, (error, float(cut), float(level), float(slope)))
    error, cut, level, slope = best
    freedom = points - 3
    p_value = 1.0 if error >= flat else float(stats.f.sf((flat - error) / 2 / max(error / freedom, 1e-30), 2, freedom))
    told = p_value < 1 - LEVEL and slope > 0
    return Threshold(points, p_value, cut if told else None, level, slope / 10)


def _trust(setting: Setting, strategy: str, recipe: str) -> Trust | None:
    runs = [run for run in setting.of(strategy) if any(point.recipe == recipe for point in run.finetunes)]
    counts = sorted({point.labels for run in runs for point in run.finetunes if point.recipe == recipe})
    lines = tuple(line for line in (_line(runs, recipe, labels) for labels in counts) if _told(line))
    common = [labels for labels in counts if all(_both(run, recipe, labels) for run in runs)]
    if not lines or not common:
        return None
    both_STC = np.array([[_both(run, recipe, labels) for labels in common] for run in runs], np.float64)
    proxy_T, full_T = both_STC.mean(axis=0).T
    labels_T = np.array(common, np.float64)
    target = float(min(proxy_T[-1], full_T[-1]))
    return Trust(
        setting,
        strategy,
        recipe,
        lines,
        target,
        float(labels_T[0]),
        first_crossing(labels_T, proxy_T - target),
        first_crossing(labels_T, full_T - target),
    )


def _both(run: Run, recipe: str, labels: int) -> tuple[float, float] | None:
    """The accuracies of the proxy and of the full model on so many labels."""
    point, curve = run.finetuned(recipe, labels), run.curve(PRIMARY)
    if point is None or labels not in curve or PRIMARY not in point.metrics:
        return None
    return curve[labels], point.metrics[PRIMARY]


def _line(runs: list[Run], recipe: str, labels: int) -> Line:
    points = [point for run in runs if (point := run.finetuned(recipe, labels))]

    def over_seeds(metric: str) -> Estimate | None:
        values = [point.metrics[metric] for point in points if metric in point.metrics]
        return estimate(np.array(values)) if values else None

    return Line(labels, over_seeds(OVERLAP), over_seeds(CORRELATION), over_seeds(GAP))


def _told(line: Line) -> bool:
    return any(value is not None for value in (line.overlap, line.correlation, line.gap))

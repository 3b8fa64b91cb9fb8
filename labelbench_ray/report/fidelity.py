"""How far the proxy can be trusted: its batches, scores and accuracy beside those of the full model on the same labels.

Fine-tunes at a trial's budgets record the fidelity of the round's proxy. Here they are averaged over seeds, and turned
into labels that each needs for the same accuracy.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.finetuned import recipes
from labelbench_ray.report.statistics.paired import Estimate, estimate
from labelbench_ray.report.statistics.savings import first_crossing
from labelbench_ray.report.threshold import GAP, OVERLAP

CORRELATION: Final = "Fidelity Score Correlation"


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


def trusts(settings: tuple[Setting, ...]) -> tuple[Trust, ...]:
    """One for each setting, strategy and full model of which fidelity was recorded."""
    found = (
        _trust(setting, strategy, recipe)
        for setting in settings
        for strategy in setting.strategies
        for recipe in recipes(setting.of(strategy))
    )
    return tuple(trust for trust in found if trust is not None)


def _trust(setting: Setting, strategy: str, recipe: str) -> Trust | None:
    runs = [run for run in setting.of(strategy) if run.finetunes.get(recipe)]
    counts = sorted({labels for run in runs for labels in run.finetunes[recipe]})
    lines = tuple(line for line in (_line(runs, recipe, labels) for labels in counts) if _is_measured(line))
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
    """The accuracies of the proxy and of the full model on this number of labels."""
    record, curve = run.finetuned(recipe, labels), run.primary
    if record is None or labels not in curve or run.metrics[0] not in record.metrics:
        return None
    return curve[labels], record.metrics[run.metrics[0]]


def _line(runs: list[Run], recipe: str, labels: int) -> Line:
    records = [record for run in runs if (record := run.finetuned(recipe, labels))]

    def over_seeds(metric: str) -> Estimate | None:
        values = [record.metrics[metric] for record in records if metric in record.metrics]
        return estimate(np.array(values)) if values else None

    return Line(labels, over_seeds(OVERLAP), over_seeds(CORRELATION), over_seeds(GAP))


def _is_measured(line: Line) -> bool:
    return any(value is not None for value in (line.overlap, line.correlation, line.gap))

"""The full models that were trained on what trials bought: accuracy by budget, beside the proxy's."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.paired import Estimate, estimate


@dataclass(frozen=True, slots=True)
class FineTuned:
    """One strategy's full model at one number of labels, over the seeds that have it."""

    strategy: str
    recipe: str
    """The model and trainer in words."""
    labels: int
    accuracy: Estimate
    proxy: Estimate | None
    """Accuracy of the same seeds' proxies; None if they have no round with this number of labels."""
    gain: Estimate | None
    """Full model less proxy, paired by seed."""


def finetuned(setting: Setting) -> tuple[FineTuned, ...]:
    """By recipe, strategy and number of labels."""
    return tuple(
        _finetuned(runs, strategy, recipe, labels)
        for recipe in recipes(setting.runs)
        for strategy in setting.strategies
        for labels in sorted({labels for run in setting.of(strategy) for labels in run.finetunes.get(recipe, {})})
        for runs in [[run for run in setting.of(strategy) if _accuracy(run, recipe, labels) is not None]]
        if runs
    )


def _finetuned(runs: list[Run], strategy: str, recipe: str, labels: int) -> FineTuned:
    tuned_S = np.array([_accuracy(run, recipe, labels) for run in runs], np.float64)
    proxies = [run.primary.get(labels) for run in runs]
    if any(proxy is None for proxy in proxies) or runs[0].trial.chooses_prompts:
        return FineTuned(strategy, recipe, labels, estimate(tuned_S), None, None)
    proxy_S = np.array(proxies, np.float64)
    return FineTuned(strategy, recipe, labels, estimate(tuned_S), estimate(proxy_S), estimate(tuned_S - proxy_S))


def _accuracy(run: Run, recipe: str, labels: int) -> float | None:
    record = run.finetuned(recipe, labels)
    return record.metrics.get(run.metrics[0]) if record else None


def recipes(runs: Iterable[Run]) -> tuple[str, ...]:
    """The fine-tunes that any of these trials has, by model and trainer in words."""
    return tuple(dict.fromkeys(recipe for run in runs for recipe in run.finetunes))

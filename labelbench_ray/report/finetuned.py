"""The full models that were trained on what trials bought: accuracy by budget, beside the proxy's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.comparison import ALONE, PAIR
from labelbench_ray.report.statistics.paired import Estimate, estimate
from labelbench_ray.report.statistics.row_hits import (
    NO_ROW_HITS,
    RowHits,
    noise_of,
    read_finetuned_hits,
    read_row_hits,
)
from labelbench_ray.report.statistics.two_way import RowNoise, RowParts


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
    over_seeds_only: str = ""
    """Why its intervals do not include the noise of the test rows; "" where they do, and without intervals."""

    @property
    def intervals(self) -> str:
        """What its intervals include, in a sentence; empty where there are none."""
        return words.noise_included(self.accuracy.test_rows, self.over_seeds_only) if self.accuracy.has_interval else ""


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


def intervals(every: Iterable[FineTuned]) -> tuple[str, ...]:
    """What the intervals of fine-tunes include, each sentence once."""
    return tuple(dict.fromkeys(each.intervals for each in every if each.intervals))


def _finetuned(runs: list[Run], strategy: str, recipe: str, labels: int) -> FineTuned:
    tuned_S = np.array([_accuracy(run, recipe, labels) for run in runs], np.float64)
    proxies, metric = [run.primary.get(labels) for run in runs], runs[0].metrics[0]
    paired = not runs[0].trial.chooses_prompts and all(proxy is not None for proxy in proxies)
    hits = read_finetuned_hits(runs, metric, recipe, labels)
    of_proxies = read_row_hits(runs, metric, [labels]) if paired and not hits.missing else NO_ROW_HITS
    if of_proxies.rows not in (0, hits.rows):
        of_proxies = RowHits(missing="full model and proxy were tested on different numbers of rows")
    missing = hits.missing or of_proxies.missing
    tuned, ours = (None, None) if missing else (hits.of(runs), of_proxies.of(runs))
    accuracy = estimate(tuned_S, rows=_parts(noise_of(tuned), ALONE))
    if not paired:
        return FineTuned(strategy, recipe, labels, accuracy, None, None, missing)
    proxy_S = np.array(proxies, np.float64)
    proxy = estimate(proxy_S, rows=_parts(noise_of(ours), ALONE))
    gain = estimate(tuned_S - proxy_S, rows=_parts(noise_of(tuned, ours), PAIR))
    return FineTuned(strategy, recipe, labels, accuracy, proxy, gain, missing)


def _parts(noise: RowNoise | None, signs: Sequence[int]) -> RowParts | None:
    return None if noise is None else noise.of(np.array([signs], np.float64))


def _accuracy(run: Run, recipe: str, labels: int) -> float | None:
    record = run.finetuned(recipe, labels)
    return record.metrics.get(run.metrics[0]) if record else None


def recipes(runs: Iterable[Run]) -> tuple[str, ...]:
    """The fine-tunes that any of these trials has, by model and trainer in words."""
    return tuple(dict.fromkeys(recipe for run in runs for recipe in run.finetunes))

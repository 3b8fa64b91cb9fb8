"""Noisy labels: what each strategy bought of them, what it wasted, and whether noise changes the ranking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report.curves import Run, Setting, last_common
from labelbench_ray.report.statistics.comparison import Comparison, compare
from labelbench_ray.report.statistics.paired import Estimate, estimate
from labelbench_ray.report.statistics.ranking import RankAgreement, rank_agreement

BOUGHT_NOISE: Final = "Bought Label Noise"
POOL_NOISE: Final = "Pool Label Noise"
CLEAN: Final = "clean"


@dataclass(frozen=True, slots=True)
class Answers:
    """What one strategy's answers amount to, at the labels that all strategies have."""

    strategy: str
    seeds: int
    noise: Estimate | None
    """The share of wrong answers among those that name a class; None with clean labels."""
    wasted: Estimate | None
    """Answers "none of these"; None where there is none in the setting."""
    wasted_by_round: tuple[float, ...]
    """Their share of each round's answers, mean over the seeds."""


@dataclass(frozen=True, slots=True)
class NoisyLabels:
    """A setting whose answers are not all right, or do not all name a class."""

    labels: int
    pool_noise: float | None
    """The share of wrong answers in the pool, mean over the seeds."""
    answers: tuple[Answers, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """A setting with noise beside the same one without."""

    clean: Setting
    noisy: Setting
    compared: Comparison
    """Of the setting with noise."""
    before: Comparison
    """Of the setting without."""
    agreement: RankAgreement | None
    """None with too few strategies or seeds."""


def noisy_labels(setting: Setting) -> NoisyLabels | None:
    """What the setting's strategies bought; None where every answer is right and names a class."""
    runs = [run for run in setting.compared if run.records]
    labels = last_common(runs) if runs else 0
    noisy = any(BOUGHT_NOISE in record.metrics for run in runs for record in run.records)
    wasted = any(None in record.labels for run in runs for record in run.records) and not setting.trial.chooses_prompts
    if not labels or not (noisy or wasted):
        return None
    pool = [run.records[-1].metrics[POOL_NOISE] for run in runs if POOL_NOISE in run.records[-1].metrics]
    trials = {name: list(setting.by_seed(name).values()) for name in setting.strategies}
    return NoisyLabels(
        labels,
        float(np.mean(pool)) if pool else None,
        tuple(_answers(name, mine, labels, wasted) for name, mine in trials.items() if mine),
    )


def _answers(name: str, runs: Sequence[Run], labels: int, wasted: bool) -> Answers:
    until = [[record for record in run.records if record.num_labeled <= labels] for run in runs]
    noise = [mine[-1].metrics[BOUGHT_NOISE] for mine in until if mine and BOUGHT_NOISE in mine[-1].metrics]
    wasted_SR = np.array([[record.labels.count(None) for record in mine] for mine in until], np.float64)
    asked_R = [len(record.labels) for record in until[0]]
    return Answers(
        name,
        len(runs),
        estimate(np.array(noise)) if noise else None,
        estimate(wasted_SR.sum(axis=1)) if wasted else None,
        tuple((wasted_SR.mean(axis=0) / asked_R).tolist()) if wasted else (),
    )


def survivals(settings: Sequence[Setting]) -> tuple[Survival, ...]:
    """Every setting with noise that has the same one without beside it."""
    found = []
    for clean in settings:
        if clean.recipe["corrupter"] != CLEAN or (before := compare(clean, clean.metrics[0])) is None:
            continue
        for noisy in settings:
            if noisy is not clean and noisy.same_but(clean, "corrupter"):
                compared = compare(noisy, noisy.metrics[0])
                if compared is not None:
                    found.append(Survival(clean, noisy, compared, before, rank_agreement(before, compared)))
    return tuple(found)

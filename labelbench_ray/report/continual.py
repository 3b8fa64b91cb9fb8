"""Training that goes on from the last round against training from scratch: seconds of fit saved, accuracy lost."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.report.curves import Run, Setting, last_common
from labelbench_ray.report.protocols import Ratio, ratio
from labelbench_ray.report.statistics.paired import Estimate, estimate

FIT: Final = "fit"


@dataclass(frozen=True, slots=True)
class Continued:
    """One strategy over the seeds that both ways have."""

    setting: Setting
    scratch: Setting
    strategy: str
    seeds: int
    fit: Ratio
    """Seconds of fit, going on ÷ from scratch."""
    accuracy: Estimate
    """Going on less from scratch, at the last common number of labels."""


def continual(settings: tuple[Setting, ...]) -> tuple[Continued, ...]:
    """Every setting that goes on, beside the one that does the same from scratch, by strategy."""
    pairs = ((setting, _scratch(setting, settings)) for setting in settings if _goes_on(setting))
    found = (
        _continued(setting, scratch, strategy)
        for setting, scratch in pairs
        if scratch is not None
        for strategy in setting.strategies
    )
    return tuple(each for each in found if each is not None)


def _goes_on(setting: Setting) -> bool:
    return setting.traits.from_scratch is not None


def _scratch(setting: Setting, settings: tuple[Setting, ...]) -> Setting | None:
    """The same setting with its trainer from scratch; without one, a setting whose trainer has other settings."""
    inner = setting.traits.from_scratch
    assert inner is not None
    same = [
        other
        for other in settings
        if other.same_but(setting, "trainer") and not _goes_on(other) and other.trial.trainer.name == inner.name
    ]
    return min(same, key=lambda other: other.trial.trainer != inner, default=None)


def _continued(setting: Setting, scratch: Setting, strategy: str) -> Continued | None:
    mine, theirs = setting.by_seed(strategy), scratch.by_seed(strategy)
    pairs = [(mine[seed], theirs[seed]) for seed in sorted(mine.keys() & theirs.keys())]
    labels = last_common(run for pair in pairs for run in pair) if pairs else 0
    if not labels:
        return None
    fit = ratio([_fit(run, labels) for run, _ in pairs], [_fit(run, labels) for _, run in pairs])
    lost = np.array([first.primary[labels] - second.primary[labels] for first, second in pairs])
    return Continued(setting, scratch, strategy, len(pairs), fit, estimate(lost)) if fit else None


def _fit(run: Run, labels: int) -> float:
    """CPU and GPU seconds of fitting."""
    return sum(
        record.cpu.get(FIT, 0.0) + record.gpu.get(FIT, 0.0) for record in run.records if record.num_labeled <= labels
    )

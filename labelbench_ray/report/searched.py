"""A search: its points by what they reached on validation rows, beside the settings as they were."""

from dataclasses import dataclass

import numpy as np

from labelbench_ray.config import vary
from labelbench_ray.ledger.records import SearchNote
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report.curves import Experiment, Run
from labelbench_ray.report.statistics.paired import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Point:
    """One trial of a search. `value` is None until it is done."""

    run: Run
    settings: dict[str, float]
    """The searched settings, by `part.setting`; what the base leaves at a default is not there."""
    value: float | None


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search has found so far."""

    note: SearchNote
    base: Point
    points: tuple[Point, ...]
    """The best first; those without a value are last."""
    gain: Estimate | None
    """On test rows, the best point less the base over the check seeds that both have finished; None: there are none."""
    noun: str
    """The metric of the gain, within a sentence."""


def searched(experiment: Experiment) -> Searched | None:
    """The points with the base's seed; those of check seeds are compared in the sections. None: it is no search."""
    note = experiment.search
    runs = [run for setting in experiment.settings for run in setting.runs]
    base = next((run for run in runs if note is not None and run.fingerprint == note.base), None)
    if note is None or base is None:
        return None
    points = [_point(run, note) for run in runs if run.trial.seed == base.trial.seed and run.fingerprint != note.base]
    ranked = sorted(points, key=lambda point: (point.value is None, -(point.value or 0.0), point.run.fingerprint))
    noun = next(setting.noun for setting in experiment.settings if base in setting.runs)
    gain = _gain(runs, base, ranked[0].run) if ranked and ranked[0].value is not None else None
    return Searched(note, _point(base, note), tuple(ranked), gain, noun)


def _gain(runs: list[Run], base: Run, best: Run) -> Estimate | None:
    """Paired by seed, after the last round."""

    def finished(run: Run, seed: int) -> Run | None:
        wanted = vary(run.trial, seed=seed)
        return next((other for other in runs if other.trial == wanted and other.state is TrialState.DONE), None)

    seeds = sorted({run.trial.seed for run in runs} - {base.trial.seed})
    pairs = [(finished(best, seed), finished(base, seed)) for seed in seeds]
    gains = [_last(one) - _last(two) for one, two in pairs if one is not None and two is not None]
    return estimate(np.array(gains)) if gains else None


def _last(run: Run) -> float:
    return run.records[-1].metrics[run.metrics[0]]


def _point(run: Run, note: SearchNote) -> Point:
    named = [(name, *name.split(".", 1)) for name in note.over]
    settings = {
        name: getattr(run.trial, part).settings[setting]
        for name, part, setting in named
        if setting in getattr(run.trial, part).settings
    }
    done = run.state is TrialState.DONE and len(run.records) >= run.trial.rounds
    return Point(run, settings, run.records[run.trial.rounds - 1].metrics.get(note.metric) if done else None)

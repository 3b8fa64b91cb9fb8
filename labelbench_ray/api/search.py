"""A search, batch by batch: a plan of the points suggested so far, run, and planned again with what they reached."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from labelbench_ray.cluster.searchers import searcher_name, suggested
from labelbench_ray.config import Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, PlannedTrial, plan, trials_now
from labelbench_ray.planning.search import Search
from labelbench_ray.planning.search_checks import check_search, check_validation
from labelbench_ray.trial import parts

SHOWN: Final = 5
"""How many of the best points are printed."""


def search_plan(
    experiment: Experiment,
    environment: Environment,
    progress: Callable[[int, int], None],
    given_up: frozenset[str] = frozenset(),
) -> Plan:
    """The plan of the base, of the points suggested so far and, once these are over, of the check seeds.

    Args:
        given_up: fingerprints of trials that failed and are not run again.

    Raises:
        ConfigError: as `planning.plan.plan`; the search is one whose trials cannot be compared.
    """
    search = _search(experiment)
    check_search(search)
    values: list[float | None] = []
    while True:
        trials = (search.base, *map(search.trial, suggested(search, values)))
        found = _planned(experiment, trials, environment, progress, given_up)
        check_validation(found)
        points = points_of(found)
        if not all(_is_over(each, given_up) for each in points):
            return found
        values = [value_of(each) for each in points]
        if len(points) == search.trials:
            checks = check_trials(search, points)
            return _planned(experiment, (*trials, *checks), environment, progress, given_up) if checks else found


def further_plans(planned: Plan, environment: Environment, progress: Callable[[int, int], None]) -> Iterator[Plan]:
    """After each run of a plan, the one with the next batch, until a search is complete or a trial is unfinished."""
    while planned.missing:
        attempted = planned.given_up | {each.parts.fingerprint for each in planned.missing}
        failed = [each for each in trials_now(planned) if each.progress.state is TrialState.FAILED]
        given_up = attempted & {each.parts.fingerprint for each in failed}
        planned = search_plan(planned.experiment, environment, progress, given_up)
        if attempted & {each.parts.fingerprint for each in planned.missing}:
            return
        yield planned


def points_of(planned: Plan) -> tuple[PlannedTrial, ...]:
    """The trials of the points in the order of their suggestion; a point that is suggested twice is there twice."""
    return _of(planned, planned.experiment.trials[1 : 1 + _search(planned.experiment).trials])


def value_of(trial: PlannedTrial) -> float | None:
    """The primary metric of a trial's last round on the validation rows; None until it is done."""
    records = trial.progress.records
    return records[trial.parts.trial.rounds - 1].metrics.get(metric_of(trial)) if trial.done else None


def metric_of(trial: PlannedTrial) -> str:
    """The name of the metric that `value_of` gives."""
    return f"Validation {trial.parts.task.primary}"


def ranked_points(trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """The distinct trials that have a value, the largest first; of equals, the one that was suggested first."""
    distinct = {each.parts.fingerprint: each for each in reversed(trials)}
    valued = [(value, each) for each in reversed(distinct.values()) if (value := value_of(each)) is not None]
    return [each for _, each in sorted(valued, key=lambda pair: -pair[0])]


def check_trials(search: Search, points: Sequence[PlannedTrial]) -> tuple[Trial, ...]:
    """The base and the best point with each of the check seeds, in turn."""
    ranked = ranked_points(points)
    if not ranked:
        return ()
    best = ranked[0].parts.trial
    return tuple(vary(trial, seed=seed) for seed in search.check_seeds for trial in (search.base, best))


def describe_search(planned: Plan) -> list[str]:
    """What a search has suggested, what is to come, and the best point so far, one line each."""
    search, points = _search(planned.experiment), points_of(planned)
    over, base = search.trials - len(points), points[0]
    lines = [
        f"search: {len(points)} of {search.trials} points are suggested, by {searcher_name()} with seed {search.seed}, "
        f"{search.batch} at a time; judged by {metric_of(base)} after the last round, never by test rows",
        *(f"  {name}: {distribution}" for name, distribution in search.over.items()),
    ]
    checks = 2 * len(search.check_seeds) if len(planned.experiment.trials) == 1 + len(points) else 0
    if over or checks:
        rounds = (over + checks) * search.base.rounds
        lines.append(f"to come: {over} further points and {checks} trials of check seeds, {rounds} rounds in all")
    return lines


def describe_best(planned: Plan) -> list[str]:
    """The best point so far, and what it gains over the base."""
    now = replace(planned, trials=trials_now(planned))
    search, (base,) = _search(now.experiment), _of(now, now.experiment.trials[:1])
    ranked = ranked_points(points_of(now))
    if not ranked:
        return []
    reference = value_of(base)
    compared = "" if reference is None else f", the base has {reference:.4f}"
    stated = [f"{_settings(search, each)}: {metric_of(each)} {value_of(each):.4f}" for each in ranked[:SHOWN]]
    lines = [f"best: {stated[0]}{compared}", *(f"  next: {each}" for each in stated[1:])]
    checks = _of(now, now.experiment.trials[1 + search.trials :])
    pairs = [(one, two) for one, two in zip(checks[::2], checks[1::2], strict=True) if one.done and two.done]
    if pairs:
        metric = base.parts.task.shown[0]
        gains = [_last(two, metric) - _last(one, metric) for one, two in pairs]
        lines.append(
            f"on {len(pairs)} other seeds the best point has {metric} {sum(gains) / len(gains):+.4f} over the base "
            f"(from {min(gains):+.4f} to {max(gains):+.4f})"
        )
    return lines


def _search(experiment: Experiment) -> Search:
    assert experiment.search is not None
    return experiment.search


def _planned(
    experiment: Experiment,
    trials: tuple[Trial, ...],
    environment: Environment,
    progress: Callable[[int, int], None],
    given_up: frozenset[str],
) -> Plan:
    return replace(plan(replace(experiment, trials=trials), environment, progress), given_up=given_up)


def _of(planned: Plan, trials: Sequence[Trial]) -> tuple[PlannedTrial, ...]:
    by_fingerprint = {each.parts.fingerprint: each for each in planned.trials}
    return tuple(by_fingerprint[parts.build(trial).fingerprint] for trial in trials)


def _is_over(trial: PlannedTrial, given_up: frozenset[str]) -> bool:
    return trial.done or trial.skipped or trial.parts.fingerprint in given_up


def _settings(search: Search, point: PlannedTrial) -> str:
    """The searched settings of a point, in words."""
    named = [(name, *name.split(".", 1)) for name in search.over]
    return ", ".join(
        f"{name}={getattr(point.parts.trial, field).settings[setting]:g}" for name, field, setting in named
    )


def _last(trial: PlannedTrial, metric: str) -> float:
    return trial.progress.records[trial.parts.trial.rounds - 1].metrics[metric]

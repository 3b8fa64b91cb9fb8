"""A sweep in which Tune's ASHA ends dominated trials: each job is a Tune trial, whose scores Tune compares."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback, FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig, Tuner
from ray.tune.search import BasicVariantGenerator

from labelbench_ray.cluster.early_stopping import results, scheduler
from labelbench_ray.cluster.ending import BetweenRounds
from labelbench_ray.cluster.job_steps import DIED, WORKER_DEATHS, Attempt, EndedByTune, run_job
from labelbench_ray.cluster.reports import Recorded, Report, Started, pass_on
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.trial.assembly import Job, SweepCallbacks

ROUNDS, REPORT = "rounds", "report"
"""The keys of what is reported: with scores, and without."""


def run_judged(
    jobs: Sequence[Job],
    bundles: Sequence[dict[str, int | float]],
    attempt: Attempt,
    callbacks: SweepCallbacks,
    at_once: Callable[[], int],
    scratch: str,
    rule: EarlyStoppingRule,
) -> None:
    """Run the jobs on the connected cluster; as `slots.run_in_slots`."""
    limit = _TrialLimit(callbacks, at_once)
    tuner = Tuner(
        tune.with_resources(run_trial, PlacementGroupFactory([*bundles])),
        # The grid is one of numbers: Tune copies all of it for every trial.
        param_space={
            "number": tune.grid_search(list(range(len(jobs)))),
            "job": tune.sample_from(lambda config: jobs[config["number"]]),
            "attempt": attempt,
            "rule": rule,
        },
        tune_config=TuneConfig(reuse_actors=True, search_alg=limit.generator, scheduler=scheduler(rule)),
        run_config=RunConfig(
            name="sweep",
            storage_path=scratch,
            verbose=0,
            callbacks=[_CallbackAdapter(callbacks), limit],
            stop=BetweenRounds(callbacks),
            failure_config=FailureConfig(max_failures=WORKER_DEATHS),
        ),
    )
    tuner.fit()


def run_trial(config: dict[str, Any]) -> None:
    """Run a job in a worker. Tune ends it within a report, by an exception that frees the ledger."""
    job: Job = config["job"]
    end = run_job(job, config["attempt"], _report, _every_round(config["rule"], job.directory))
    _report(end)


def _report(report: Report) -> None:
    _pass_to_tune({REPORT: report})


def _pass_to_tune(result: dict[str, Any]) -> None:
    try:
        tune.report(result)
    except SystemExit as end:
        raise EndedByTune(end.code) from end


def _every_round(rule: EarlyStoppingRule, directory: Path) -> Callable[[int], bool]:
    reported = 0

    def goes_on(rounds: int) -> bool:
        nonlocal reported
        for result in results(rule, directory, reported, rounds):
            _pass_to_tune(result)
        reported = rounds
        return True

    return goes_on


class _TrialLimit(Callback):
    """Keeps as many trials with Tune as can run at once, so that each new trial reuses the worker of one that ended.

    Tune gives the worker that has just ended a trial to any trial that it holds, also to one whose own worker is still
    starting, and ends that one: with more trials than slots, short trials run in one worker while others start for
    nothing.
    """

    def __init__(self, callbacks: SweepCallbacks, at_once: Callable[[], int]) -> None:
        self._callbacks, self._at_once = callbacks, at_once
        self.generator = BasicVariantGenerator(max_concurrent=at_once())

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: see `_CallbackAdapter`."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: object) -> None:
        if self._callbacks.should_end():
            self.generator.set_finished()  # no further trial begins
        self.generator.max_concurrent = self._at_once()


class _CallbackAdapter(Callback):
    """Passes Tune's reports on to our callbacks."""

    def __init__(self, callbacks: SweepCallbacks) -> None:
        self._callbacks = callbacks

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that we never do, and ours hold a terminal."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        pass_on(Started(), trial.config["job"], self._callbacks)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Any],
        trial: Any,  # noqa: ANN401
        result: dict[str, Any],
        **info: object,
    ) -> None:
        if REPORT in result:
            pass_on(result[REPORT], trial.config["job"], self._callbacks)
        elif ROUNDS in result:
            pass_on(Recorded(result[ROUNDS]), trial.config["job"], self._callbacks)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        """Report a trial that was ended early, and drop the metrics that Tune would keep until the sweep ends."""
        if ROUNDS in trial.last_result:  # it was about to go on
            ended = self._callbacks.on_paused if self._callbacks.should_end() else self._callbacks.on_stopped
            ended(trial.config["job"], trial.last_result[ROUNDS])
        trial.metric_analysis.clear()
        trial.metric_n_steps.clear()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        pass_on(DIED, trial.config["job"], self._callbacks)

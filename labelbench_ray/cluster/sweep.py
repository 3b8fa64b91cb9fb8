"""A sweep: Ray Tune schedules the trials that are not finished. Tune only schedules: the ledger is the memory.

Actors are reused from trial to trial, the embeddings are memory-mapped once on each node, and a trial that raises
is recorded and reported while the others go on.
"""

import shutil
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig, Tuner
from ray.tune.search import BasicVariantGenerator

from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.cluster.early_stopping import results, scheduler
from labelbench_ray.cluster.ending import BetweenRounds
from labelbench_ray.cluster.limits import Limits, watched
from labelbench_ray.cluster.unfinished_fits import end_fits
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, LedgerError
from labelbench_ray.ledger.trials import Failure, read_failure, write_failure
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.planning.memory import GIB, reservable_bytes, reserved_bytes
from labelbench_ray.storage.waits import waits_reported
from labelbench_ray.trial.asking import AwaitingLabels
from labelbench_ray.trial.assembly import Job, SweepCallbacks
from labelbench_ray.user_code import in_a_line

WORKER_DEATHS = 3
"""How often a trial whose worker dies (killed, out of memory, lost node) is resumed within one sweep; scorers that it
lost for good count as such a death."""

WAITING = "waiting"
"""The key of a report that the trial waits for a lock."""

AWAITING = "awaiting_labels"
"""The key of a report that the trial awaits labels."""

SECONDS_BETWEEN_SLOT_COUNTS = 5.0
"""How often the nodes of the cluster are counted."""

SECONDS_BETWEEN_REPORTS = 1.0
"""A trial's rounds are reported at most this often; its end at once."""


def sweep(
    jobs: Sequence[Job],
    environment: Environment,
    callbacks: SweepCallbacks,
    memory: int,
    rule: EarlyStoppingRule | None = None,
) -> None:
    """Run the jobs on the connected cluster and report each one's progress to the callbacks.

    Args:
        memory: bytes that the process of any job needs, as estimated.
        rule: ends trials that others dominate; None: all are run to their end.
    """
    scratch = Path(tempfile.mkdtemp(prefix="labelbench-tune-"))
    machines = [node["Resources"].get("memory", 0.0) for node in ray.nodes() if node["Alive"]]
    bundles = trial_bundles(environment, reservable_bytes(memory, machines), max(job.processes.scorers for job in jobs))
    # Ray Train reserves the bundles of its workers once the trial runs. If trials held all CPUs, each would wait for
    # its workers forever.
    beside = max((job.processes.fit_workers.bundles for job in jobs), key=len)
    if environment.address is None:
        _check_fits([*bundles, *beside])
    slots = _Slots([*bundles, *beside], callbacks, may_grow=environment.address is not None and not beside)
    tuner = Tuner(
        tune.with_resources(run_job, PlacementGroupFactory(bundles)),
        # The grid is one of numbers: Tune copies all of it for every trial.
        param_space={
            "number": tune.grid_search(list(range(len(jobs)))),
            "job": tune.sample_from(lambda config: jobs[config["number"]]),
            "limits": Limits(environment.memory_per_trial, environment.round_minutes),
            "rule": rule,
            "sweep": uuid.uuid4().hex,
        },
        tune_config=TuneConfig(
            reuse_actors=True,
            search_alg=slots.generator,
            scheduler=scheduler(rule) if rule else None,
        ),
        run_config=RunConfig(
            name="sweep",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[_Relay(callbacks), slots],
            stop=BetweenRounds(callbacks),
            failure_config=FailureConfig(max_failures=WORKER_DEATHS),
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_fits(bundles: Sequence[dict[str, int | float]]) -> None:
    """Refuse a trial that this machine can never start; a cluster may grow, so there it waits."""
    have = ray.cluster_resources()
    for resource, needed in _needed(bundles).items():
        if needed > have.get(resource, 0):
            raise ConfigError(f"a trial asks for {_request(resource, needed, have.get(resource, 0))}")


def _request(resource: str, needed: float, have: float) -> str:
    hint = "ask for less, or give a larger cluster's --address"
    if resource == "memory":
        return (
            f"{needed / GIB:.2f} GiB of memory (--memory-per-trial), Ray has "
            f"{have / GIB:.2f} for trials on this machine; {hint}"
        )
    return (
        f"{needed:g} {resource}s (--cpus-per-trial, --gpus-per-trial, the same for each of --fit-workers, and one CPU "
        f"a scorer), this machine has {have:g}; {hint}"
    )


def _at_once(bundles: Sequence[dict[str, int | float]]) -> int:
    """How many trials the cluster as it is can run at once."""
    have = ray.cluster_resources()
    fits = [have.get(resource, 0) // needed for resource, needed in _needed(bundles).items() if needed]
    return max(1, int(min(fits)))


def _needed(bundles: Sequence[dict[str, int | float]]) -> dict[str, float]:
    return {resource: sum(bundle.get(resource, 0) for bundle in bundles) for resource in ("CPU", "GPU", "memory")}


def trial_bundles(environment: Environment, memory: int, scorers: int) -> list[dict[str, int | float]]:
    """What a trial reserves: for its own process, and for each scorer."""
    own: dict[str, int | float] = {
        "CPU": environment.cpus_per_trial,
        "GPU": environment.gpus_per_trial,
        "memory": reserved_bytes(environment, memory),
    }
    scorer: dict[str, int | float] = {"CPU": 1}
    return [own, *[scorer] * scorers]


def run_job(config: dict[str, Any]) -> None:
    """Run a job's missing steps in a worker, and report each."""
    job: Job = config["job"]
    if ended := _ended_by_limit(job.directory, config["sweep"]):
        end_fits(job.directory)
        tune.report({"error": ended.error, "traceback": ended.traceback})
        return

    def record(failure: Failure) -> None:
        write_failure(job.directory, failure.model_copy(update={"sweep": config["sweep"]}))

    report = _every_now_and_then() if config["rule"] is None else _every_round(config["rule"], job.directory)
    try:
        with (
            waits_reported(_report_wait),
            watched(config["limits"], record) as round_done,
        ):
            for rounds in job.steps():
                round_done()
                report(rounds)
        tune.report({"finished": True})
    except AwaitingLabels as waiting:
        tune.report({AWAITING: str(waiting), "recorded": waiting.rounds})
    except Exception as error:
        if is_death(error):
            raise  # Tune resumes the trial with a new worker and new scorers, at most `WORKER_DEATHS` times
        # Any error ends this trial only. It is recorded, or the text states that it cannot be.
        tune.report({"error": in_a_line(error), "traceback": traceback.format_exc()})


def _report_wait(words: str) -> None:
    tune.report({WAITING: words})


def _every_now_and_then() -> Callable[[int], None]:
    """Each report is an exchange with the driver, which costs more CPU seconds than a short round."""
    reported = time.monotonic()

    def report(rounds: int) -> None:
        nonlocal reported
        if time.monotonic() - reported >= SECONDS_BETWEEN_REPORTS:
            tune.report({"rounds": rounds})
            reported = time.monotonic()

    return report


def _every_round(rule: EarlyStoppingRule, directory: Path) -> Callable[[int], None]:
    """Tune ends a trial within a report: by `SystemExit`, which passes through the rounds and frees the ledger."""
    reported = 0

    def report(rounds: int) -> None:
        nonlocal reported
        for result in results(rule, directory, reported, rounds):
            tune.report(result)
        reported = rounds

    return report


def _ended_by_limit(directory: Path, sweep: str) -> Failure | None:
    """Why a limit ended this trial earlier in this sweep: Tune takes up every trial whose worker is gone."""
    try:
        failure = read_failure(directory)
    except (LedgerError, OSError):  # a damaged one is of an earlier sweep; a place that is down fails this attempt
        return None
    return failure if failure and failure.sweep == sweep else None


class _Slots(Callback):
    """Keeps as many trials with Tune as can run at once, so that each new trial reuses the worker of one that ended.

    Tune gives the worker that has just ended a trial to any trial that it holds, also to one whose own worker is still
    starting, and ends that one: with more trials than slots, short trials run in one worker while others start for
    nothing. A cluster that may grow holds a second trial for each slot: those that wait are what its autoscaler sees.
    """

    def __init__(self, bundles: Sequence[dict[str, int | float]], callbacks: SweepCallbacks, may_grow: bool) -> None:
        self._bundles = bundles
        self._callbacks = callbacks
        self._trials_per_slot = 2 if may_grow else 1
        self._updated = time.monotonic()
        self.generator = BasicVariantGenerator(max_concurrent=self._trials())

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: see `_Relay`."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: object) -> None:
        if self._callbacks.should_end():
            self.generator.set_finished()  # no further trial begins
        if time.monotonic() - self._updated >= SECONDS_BETWEEN_SLOT_COUNTS:
            self.generator.max_concurrent = self._trials()
            self._updated = time.monotonic()

    def _trials(self) -> int:
        return self._trials_per_slot * _at_once(self._bundles)


class _Relay(Callback):
    """Passes Tune's reports on to our callbacks."""

    def __init__(self, callbacks: SweepCallbacks) -> None:
        self._callbacks = callbacks

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that we never do, and ours hold a terminal."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        self._callbacks.on_started(trial.config["job"])

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Any],
        trial: Any,  # noqa: ANN401
        result: dict[str, Any],
        **info: object,
    ) -> None:
        job = trial.config["job"]
        if "error" in result:
            self._callbacks.on_failed(job, Failure.of(result["error"], result["traceback"]))
        elif WAITING in result:
            self._callbacks.on_waiting(job, result[WAITING])
        elif AWAITING in result:
            self._callbacks.on_awaiting(job, result["recorded"], result[AWAITING])
        elif "finished" in result:
            self._callbacks.on_done(job)
        elif "rounds" in result:
            self._callbacks.on_round(job, result["rounds"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        """Report a trial that was ended early, and drop the metrics that Tune would keep until the sweep ends."""
        if "rounds" in trial.last_result:  # it was about to go on
            ended = self._callbacks.on_paused if self._callbacks.should_end() else self._callbacks.on_stopped
            ended(trial.config["job"], trial.last_result["rounds"])
        trial.metric_analysis.clear()
        trial.metric_n_steps.clear()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        text = (
            f"its worker or its scorers died {WORKER_DEATHS + 1} times (killed, out of memory, or their node was lost)"
        )
        self._callbacks.on_failed(trial.config["job"], Failure.of(text, ""))

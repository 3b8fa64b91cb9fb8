"""A sweep in slots: Tune runs one trial for each slot, and each takes job after job from a queue.

Tune reserves the resources of a slot, starts its worker, and replaces it when the worker dies. If each job were a Tune
trial of its own, the next one would begin only after several exchanges with the driver, and Tune would keep each to the
end of the sweep: for short trials that takes longer than the trials.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.actor import ActorHandle
from ray.tune import Callback, FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig, Tuner
from ray.tune.search import BasicVariantGenerator
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from labelbench_ray.cluster.job_queue import JobQueue, Reports
from labelbench_ray.cluster.job_steps import DIED, WORKER_DEATHS, Attempt, run_job
from labelbench_ray.cluster.reports import End, Failed, Recorded, Report, Started, Waits, pass_on
from labelbench_ray.trial.assembly import Job, SweepCallbacks

SECONDS_BETWEEN_REPORTS = 1.0
"""A trial's rounds are reported at most this often; its end at once."""
POLL_SECONDS = 0.1
"""How often the driver looks for reports, as often as Tune lets it."""


@dataclass(frozen=True, slots=True)
class SlotWork:
    """What every slot is given."""

    jobs: Sequence[Job]
    queue: "ActorHandle[Any]"
    attempt: Attempt


def run_in_slots(
    jobs: Sequence[Job],
    bundles: Sequence[dict[str, int | float]],
    attempt: Attempt,
    callbacks: SweepCallbacks,
    at_once: Callable[[], int],
    scratch: str,
) -> None:
    """Run the jobs on the connected cluster.

    Args:
        bundles: what each slot reserves.
        at_once: how many slots there may be now.
        scratch: a folder for Tune's own notes.
    """
    queue = _start_queue(len(jobs))
    slots = _Slots(jobs, queue, callbacks, at_once)
    tuner = Tuner(
        tune.with_resources(
            tune.with_parameters(run_slot, work=SlotWork(jobs, queue, attempt)), PlacementGroupFactory([*bundles])
        ),
        tune_config=TuneConfig(num_samples=-1, reuse_actors=True, search_alg=slots.generator),
        run_config=RunConfig(
            name="sweep",
            storage_path=scratch,
            verbose=0,
            callbacks=[slots],
            failure_config=FailureConfig(max_failures=0),
        ),
    )
    try:
        tuner.fit()
        slots.poll()
    finally:
        # After an interrupt in the user's own Ray, Tune's workers live on: without the queue, each ends its trial.
        with suppress(Exception):
            ray.kill(queue)


def run_slot(config: dict[str, Any], work: SlotWork) -> dict[str, int]:
    """Take jobs until there is none; returns how many there were: Tune prints a line about a trial without a result."""
    slot, ended, done = tune.get_context().get_trial_id(), None, 0
    while (number := _answer(work.queue.take.remote(slot, ended))) is not None:
        ended = (number, _run(number, work))
        done += 1
    return {"jobs": done}


def _run(number: int, work: SlotWork) -> End:
    reported, latest = time.monotonic(), 0

    def goes_on(rounds: int) -> bool:
        """Each report is an exchange with another process, which costs more CPU seconds than a short round."""
        nonlocal reported, latest
        latest = rounds
        if time.monotonic() - reported < SECONDS_BETWEEN_REPORTS:
            return True
        reported = time.monotonic()
        answer: bool = _answer(work.queue.report.remote(number, Recorded(rounds)))
        return answer

    def on_waiting(waits: Waits) -> None:
        work.queue.report.remote(number, waits)

    end = run_job(work.jobs[number], work.attempt, on_waiting, goes_on)
    if isinstance(end, Failed) and latest:  # every other end states its rounds
        work.queue.report.remote(number, Recorded(latest))
    return end


def _start_queue(jobs: int) -> "ActorHandle[Any]":
    """The queue, on the driver's node if it can be: other nodes may be lost."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    remote: Any = ray.remote(JobQueue).options(
        num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here
    )
    return remote.remote(jobs, Started(), DIED, WORKER_DEATHS)


def _answer(asked: Any) -> Any:  # noqa: ANN401  an `ObjectRef` to whatever a method of the queue returns
    return ray.get(asked)


class _Slots(Callback):
    """Holds as many Tune trials as there are slots and jobs for them, and passes reports on to our callbacks."""

    def __init__(
        self,
        jobs: Sequence[Job],
        queue: "ActorHandle[Any]",
        callbacks: SweepCallbacks,
        at_once: Callable[[], int],
    ) -> None:
        self._jobs, self._queue, self._callbacks, self._at_once = jobs, queue, callbacks, at_once
        self._polled = time.monotonic()
        self._token, self._acknowledged = "", 0
        self._ended: set[int] = set()
        self._lost: dict[str, int | None] = {}
        """Slots whose worker died, and the job that each held."""
        self._dead_without_a_job = 0
        """Workers in a row that died before they took a job."""
        self.generator = BasicVariantGenerator(max_concurrent=min(at_once(), len(jobs)))

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that we never do, and ours hold a terminal."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: object) -> None:
        """Ask for reports, and end the sweep once it is to end."""
        if time.monotonic() - self._polled < POLL_SECONDS:
            return
        if self._callbacks.should_end() and not self.generator.is_finished():
            _answer(self._queue.end.remote())
            self.generator.set_finished()
        self.poll()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        """Know before Tune asks for the next trial whether there is a job for it."""
        self.poll()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        """Return the job of a worker that died; the next slot takes it."""
        slot = trial.trial_id
        self._lost[slot] = _answer(self._queue.return_job.remote(slot))
        self._dead_without_a_job = self._dead_without_a_job + 1 if self._lost[slot] is None else 0
        if self._dead_without_a_job > WORKER_DEATHS * self._at_once():
            failed = no_worker_started(self._dead_without_a_job, trial.get_error() or "no error is known")
            _answer(self._queue.fail_waiting.remote(failed))
        self.poll()

    def poll(self) -> None:
        """Pass on the reports that came since the last poll."""
        found: Reports[Report] = _answer(self._queue.reports.remote(self._token, self._acknowledged))
        if found.token != self._token:
            _answer(self._queue.restore.remote(self._ended, self._lost, self._callbacks.should_end()))
        self._token, self._acknowledged = found.token, found.end
        for number, report in found.reports:
            self._dead_without_a_job = 0
            if isinstance(report, End):
                self._ended.add(number)
            pass_on(report, self._jobs[number], self._callbacks)
        if found.unfinished:
            self.generator.max_concurrent = min(self._at_once(), found.unfinished)
        else:
            self.generator.set_finished()
        self._polled = time.monotonic()


def no_worker_started(times: int, error: str) -> Failed:
    """The end of the jobs that wait.

    Args:
        error: of the last worker, as Tune has written it: a header, then an error or a traceback.
    """
    lines = [line.strip() for line in error.splitlines() if line.strip() and not line.startswith("Failure #")]
    last = lines[-1 if any(line.startswith("Traceback ") for line in lines) else 0]
    return Failed(f"no worker could start, {times} in a row; the last: {last}", error)

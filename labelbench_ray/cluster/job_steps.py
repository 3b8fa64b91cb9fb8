"""A job in a worker: its missing steps, within its limits, and how it ends."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.cluster.limits import Limits, watched
from labelbench_ray.cluster.reports import Awaits, Done, End, Failed, Paused, Waits
from labelbench_ray.cluster.unfinished_fits import end_fits
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.trials import Failure, read_failure, write_failure
from labelbench_ray.storage.waits import waits_reported
from labelbench_ray.trial.asking import AwaitingLabels
from labelbench_ray.trial.assembly import Job
from labelbench_ray.user_code import in_a_line

WORKER_DEATHS = 3
"""How often a trial whose worker dies (killed, out of memory, lost node) is resumed within one sweep; scorers that it
lost for good count as such a death."""
DIED = Failed(
    f"its worker or its scorers died {WORKER_DEATHS + 1} times (killed, out of memory, or their node was lost)", ""
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of every job of a sweep."""

    limits: Limits
    sweep: str
    """Identifies the sweep: a job that a limit ended is not begun again within it."""


class EndedByTune(SystemExit):
    """Tune ends the trial within a report; a plug-in that calls `sys.exit` raises another `SystemExit`."""


def run_job(job: Job, attempt: Attempt, on_waiting: Callable[[Waits], None], goes_on: Callable[[int], bool]) -> End:
    """Do what is missing of a job; any error ends this job only, and is recorded or reported.

    Args:
        on_waiting: called when it waits for a lock.
        goes_on: called with the number of rounds after each; if it returns False, the job ends there.

    Raises:
        EndedByTune: Tune ends the trial; `on_waiting` or `goes_on` raised it.
        Exception: a scorer, a worker or a node was lost, so that the job is to be tried again.
    """
    if ended := ended_by_limit(job.directory, attempt.sweep):
        end_fits(job.directory)
        return Failed(ended.error, ended.traceback)

    def record(failure: Failure) -> None:
        write_failure(job.directory, failure.model_copy(update={"sweep": attempt.sweep}))

    try:
        with (
            waits_reported(lambda words: on_waiting(Waits(words))),
            watched(attempt.limits, record) as round_done,
        ):
            for rounds in job.steps():
                round_done()
                if not goes_on(rounds):
                    return Paused(rounds)
    except AwaitingLabels as waiting:
        return Awaits(waiting.rounds, str(waiting))
    except EndedByTune:
        raise
    except (Exception, SystemExit) as error:
        if is_death(error):
            raise
        return Failed(in_a_line(error), traceback.format_exc())
    return Done()


def ended_by_limit(directory: Path, sweep: str) -> Failure | None:
    """Why a limit ended this trial earlier in this sweep: every trial whose worker is gone is begun again."""
    try:
        failure = read_failure(directory)
    except (LedgerError, OSError):  # a damaged one is of an earlier sweep; a place that is down fails this attempt
        return None
    return failure if failure and failure.sweep == sweep else None

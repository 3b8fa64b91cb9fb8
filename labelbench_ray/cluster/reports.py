"""What workers report about the jobs of a sweep, and to which callback each report belongs.

The process of the queue imports this module, so it imports nothing of ours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelbench_ray.trial.assembly import Job, SweepCallbacks


@dataclass(frozen=True, slots=True)
class Started:
    """A worker began with the job."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The worker waits for a lock; the words name its holder."""

    words: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """So many rounds are recorded in all."""

    rounds: int


@dataclass(frozen=True, slots=True)
class Awaits:
    """The trial awaits labels after so many rounds; the words state what to do."""

    rounds: int
    words: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The trial was ended after so many rounds, because the run is to end."""

    rounds: int


@dataclass(frozen=True, slots=True)
class Done:
    """The job is finished."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended with an error."""

    error: str
    traceback: str


End = Done | Failed | Awaits | Paused
"""How a job ends, as far as this sweep goes."""
Report = Started | Waits | Recorded | End


def pass_on(report: Report, job: "Job", callbacks: "SweepCallbacks") -> None:
    """Call the callback of a report."""
    from labelbench_ray.ledger.records import Failure

    match report:
        case Started():
            callbacks.on_started(job)
        case Waits(words):
            callbacks.on_waiting(job, words)
        case Recorded(rounds):
            callbacks.on_round(job, rounds)
        case Awaits(rounds, words):
            callbacks.on_awaiting(job, rounds, words)
        case Paused(rounds):
            callbacks.on_paused(job, rounds)
        case Done():
            callbacks.on_done(job)
        case Failed(error, traceback):
            callbacks.on_failed(job, Failure.of(error, traceback))

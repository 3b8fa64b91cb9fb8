"""What people see of a sweep: steps done, trials that failed, and the mirror brought up to date."""

from dataclasses import dataclass, field
from pathlib import Path

from labelbench_ray.cluster.jobs import Job
from labelbench_ray.ledger import Failure, write_failure
from labelbench_ray.points import HEADER
from labelbench_ray.progress import Meter
from labelbench_ray.tracking import Mirror


@dataclass
class Follower:
    """Counts what the sweep tells, shows it, and hands finished trials to the mirror (a `sweep.Listener`)."""

    shown: Meter
    mirror: Mirror
    unit: str
    """What a job's steps are called."""
    steps: dict[Path, int]
    """Steps that each job asks for."""
    steps_done: dict[Path, int]
    ended: set[Path] = field(default_factory=set)
    failed: set[Path] = field(default_factory=set)

    def on_round(self, job: Job, rounds: int) -> None:
        """A step was recorded."""
        self.steps_done[job.directory] = rounds
        self._show()

    def on_done(self, job: Job) -> None:
        """The trial is finished."""
        self.steps_done[job.directory] = self.steps[job.directory]
        self._end(job)

    def on_failed(self, job: Job, failure: Failure) -> None:
        """The trial failed; said at once, for a sweep may go on for days."""
        self.failed.add(job.directory)
        self._say(f"failed: {job.trial.strategy}, seed {job.trial.seed}: {failure.error}")
        if not (job.directory / "failure.json").exists():  # it failed before its ledger was open, or its worker died
            try:
                write_failure(job.directory, failure)
            except OSError as error:
                self._say(f"that cannot be recorded: {error}")
        self._end(job)

    def _say(self, text: str) -> None:
        self.shown.console.print(text, style="red", markup=False)

    def _end(self, job: Job) -> None:
        self.ended.add(job.directory)
        if any((job.directory / name).is_file() for name in ("trial.json", HEADER)):
            self.mirror.submit(job.directory)
        self._show()

    def _show(self) -> None:
        running = sum(directory not in self.ended for directory in self.steps_done)
        done = sum(self.steps_done.values()) + sum(
            self.steps[directory] - self.steps_done.get(directory, 0) for directory in self.failed
        )
        self.shown.show(
            done,
            sum(self.steps.values()),
            f"{len(self.ended) - len(self.failed)} of {len(self.steps)} trials done, {running} running, "
            f"{len(self.failed)} failed; {self.unit}",
        )

"""What people see of a sweep: steps done, trials that failed, and the mirror brought up to date."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelbench_ray.api.spending import SpendingLimit
from labelbench_ray.console.events import Event, Events
from labelbench_ray.console.progress import Meter
from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.failures import FILE
from labelbench_ray.ledger.finetunes import FOLDER, HEADER
from labelbench_ray.ledger.records import RoundRecord, Stopped, Traits
from labelbench_ray.ledger.state import TrialState, trial_state
from labelbench_ray.ledger.stopped import write_stopped
from labelbench_ray.ledger.trials import Failure, read_header, read_history, read_record, write_failure
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.storage.locks import held
from labelbench_ray.storage.quarantine import read_quarantine_note, set_asides
from labelbench_ray.storage.versions import versions
from labelbench_ray.tasks import in_a_sentence
from labelbench_ray.tracking.mirror import AnyMirror
from labelbench_ray.trial.assembly import Job


@dataclass
class SweepMonitor:
    """Counts a sweep's progress, shows it, and hands finished trials to the mirror (`sweep.SweepCallbacks`)."""

    shown: Meter
    mirror: AnyMirror
    unit: str
    """What a job's steps are called."""
    steps: dict[Path, int]
    """Steps that each job asks for."""
    steps_done: dict[Path, int]
    ended: set[Path] = field(default_factory=set)
    failed: set[Path] = field(default_factory=set)
    stopped: set[Path] = field(default_factory=set)
    awaiting: set[Path] = field(default_factory=set)
    events: Events = field(default_factory=lambda: Events(""))
    reported: dict[Path, int] = field(default_factory=dict)
    """Steps of each job that events were written for, or that were there before."""
    set_aside: set[tuple[Path, str]] = field(default_factory=set)
    began: float = field(default_factory=time.time)
    limit: SpendingLimit = field(default_factory=SpendingLimit)
    paused: set[Path] = field(default_factory=set)
    by_people: set[Path] = field(default_factory=set)
    """The jobs whose labels people give."""

    @property
    def done(self) -> set[Path]:
        """The jobs that came to their end."""
        return self.ended - self.failed - self.stopped - self.awaiting

    def on_started(self, job: Job) -> None:
        """A worker began."""
        again = job.directory in self.reported
        self.reported.setdefault(job.directory, self.steps_done.get(job.directory, 0))
        self._log(job, Event.TRIAL_TAKEN_UP if again else Event.TRIAL_STARTED, rounds_done=self.reported[job.directory])
        self._show()

    def on_waiting(self, job: Job, words: str) -> None:
        """Its worker waits for a lock, and states whose."""
        self._log(job, Event.TRIAL_WAITING, reason=words)
        self._print(words)

    def on_round(self, job: Job, rounds: int) -> None:
        """A step was recorded, and maybe others since the last one that was reported."""
        self.steps_done[job.directory] = rounds
        self._log_steps(job, rounds)
        self._show()

    def on_awaiting(self, job: Job, rounds: int, words: str) -> None:
        """The trial's next labels are still to come; what to do is printed when all others have ended."""
        self.awaiting.add(job.directory)
        self.steps_done[job.directory] = rounds
        self._log_steps(job, rounds)
        self._log(job, Event.TRIAL_AWAITING_LABELS, rounds_done=rounds, reason=words)
        self._end(job)

    def on_done(self, job: Job) -> None:
        """The trial is finished."""
        self._log_steps(job, self.steps[job.directory])
        self._log(job, Event.TRIAL_DONE)
        self.steps_done[job.directory] = self.steps[job.directory]
        self.failed.discard(job.directory)  # a worker that was taken for dead failed it, or the queue was lost
        self._end(job)

    def on_failed(self, job: Job, failure: Failure) -> None:
        """The trial failed; printed at once, because a sweep may run for days."""
        self.failed.add(job.directory)
        self._log_set_asides(job)
        self._log(job, Event.TRIAL_FAILED, error=failure.error)
        self._print(f"failed: {job.trial.strategy}, seed {job.trial.seed}: {failure.error}")
        try:
            if not _is_recorded(job):  # it ended before its ledger was open, or its worker died
                write_failure(job.directory, failure)
        except OSError as error:
            self._print(f"that cannot be recorded: {error}")
        self._end(job)

    def should_end(self) -> bool:
        """Whether the run has reached its limit."""
        return self.limit.reached is not None

    def on_paused(self, job: Job, rounds: int) -> None:
        """The trial was ended between rounds, because the run has reached its limit."""
        if rounds >= self.steps[job.directory]:
            self.on_done(job)
            return
        self._log_steps(job, rounds)
        self._log(job, Event.TRIAL_PAUSED, rounds_done=rounds, reason=self.limit.reached or "")
        self.steps_done[job.directory] = rounds
        self.paused.add(job.directory)
        self.mirror.submit(job.directory)
        self._show()

    def on_stopped(self, job: Job, rounds: int) -> None:
        """The trial was ended early. Tune has no word for that, so it is recorded here."""
        self.stopped.add(job.directory)
        trial = job.trial
        rule = EarlyStoppingRule(trial.rounds, _judged_by(job.directory))
        stopped = Stopped(rounds_done=rounds, rounds=trial.rounds, rule=str(rule), versions=versions())
        self._log(job, Event.TRIAL_STOPPED, rounds_done=rounds, reason=stopped.rule)
        try:
            write_stopped(job.directory, stopped)
        except OSError as error:
            self._print(f"{trial.strategy}, seed {trial.seed} was stopped early; that cannot be recorded: {error}")
        self._end(job)

    def _log_steps(self, job: Job, done: int) -> None:
        """An event for each step that is new; what a round reached stands in the ledger."""
        if job.directory not in self.reported or self.reported[job.directory] < done:
            self._log_set_asides(job)
        new = range(self.reported.get(job.directory, 0), done)
        metric = _metric(job.directory) if new and self.unit == "rounds" else ""
        for number in new:
            if self.unit == "rounds":
                record = _record(job.directory, number)
                self._log(job, Event.ROUND_RECORDED, round=number, **_reached(metric, record))
                if record is not None:
                    self.limit.add(record.spent, len(record.chosen) if job.directory in self.by_people else 0)
            else:
                self._log(job, Event.FINE_TUNE_RECORDED, done=number + 1)
        self.reported[job.directory] = done

    def _log_set_asides(self, job: Job) -> None:
        """Nothing where they cannot be read: an error here would end the sweep, and trials must not notice."""
        with suppress(LedgerError, OSError):
            for name in set_asides(job.directory):
                if int(name) >= int(self.began) and (job.directory, name) not in self.set_aside:
                    self.set_aside.add((job.directory, name))
                    why = read_quarantine_note(job.directory, name)
                    self._log(job, Event.SET_ASIDE, reason=why.reason, files=list(why.files))
                    self._print(f"set aside, and run again: {why.reason}")

    def _log(self, job: Job, event: Event, **fields: Any) -> None:  # noqa: ANN401  JSON
        trial = {"trial": _fingerprint(job.directory), "strategy": str(job.trial.strategy), "seed": job.trial.seed}
        self.events.log(event, **trial | fields)

    def _print(self, text: str) -> None:
        self.shown.console.print(redacted(text), style="red", markup=False)

    def _end(self, job: Job) -> None:
        self.ended.add(job.directory)
        if _has_header(job.directory):
            self.mirror.submit(job.directory)
        self._show()

    def _show(self) -> None:
        running = len(self.reported.keys() - self.ended - self.paused)
        ended_before = self.failed | self.stopped | self.awaiting
        done = sum(self.steps_done.values()) + sum(
            self.steps[directory] - self.steps_done.get(directory, 0) for directory in ended_before
        )
        self.shown.show(
            done,
            sum(self.steps.values()),
            f"{len(self.done)} of {len(self.steps)} trials done, {running} running"
            f"{f', {len(self.failed)} failed' if self.failed else ''}"
            f"{f', {len(self.stopped)} stopped early' if self.stopped else ''}"
            f"{f', {len(self.awaiting)} awaiting labels' if self.awaiting else ''}; {self.unit}",
        )


def _is_recorded(job: Job) -> bool:
    """Whether there is nothing to record: the worker did, or another run resumes the trial or has finished it."""
    if (job.directory / FILE).exists() or held(job.directory / "lock"):
        return True
    with suppress(LedgerError):
        return job.directory.parent.name != FOLDER and _is_done(job.directory)
    return False


def _is_done(directory: Path) -> bool:
    history = read_history(directory)
    return trial_state(history, history.header.trial.rounds) is TrialState.DONE


def _fingerprint(directory: Path) -> str:
    """Of the trial; a fine-tune lies below it."""
    return directory.parent.parent.name if directory.parent.name == FOLDER else directory.name


def _has_header(directory: Path) -> bool:
    """Where it cannot be seen it may be there: the mirror looks again, and waits for places that do not answer."""
    try:
        return any((directory / name).is_file() for name in ("trial.json", HEADER))
    except OSError:
        return True


def _judged_by(directory: Path) -> str:
    """The metric by which a trial was compared while it ran."""
    return f"Validation {(_metric(directory) or Traits().metrics[0]).removeprefix('Test ')}"


def _metric(directory: Path) -> str:
    """The metric that decides a trial; "" if it cannot be read, which must not affect trials."""
    try:
        return (read_header(directory / "trial.json").traits or Traits()).metrics[0]
    except (LedgerError, OSError):
        return ""


def _record(directory: Path, number: int) -> RoundRecord | None:
    """The record of a round; None if it cannot be read, which must not affect trials."""
    try:
        return read_record(directory, number)
    except (LedgerError, OSError):
        return None


def _reached(metric: str, record: RoundRecord | None) -> dict[str, float]:
    """The values of a round that people watch; empty if they cannot be read, which must not affect trials."""
    if record is None or not metric:
        return {}
    name = in_a_sentence(metric).replace(" ", "_")
    reached = {name: record.metrics[metric]} if metric in record.metrics else {}
    return {"num_labeled": record.num_labeled, "seconds": round(record.spent.wall, 3)} | reached

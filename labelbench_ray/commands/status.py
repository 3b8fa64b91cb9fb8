"""How far an experiment has come: read from the ledger alone, also while a sweep runs on any machine."""

from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import computed_field
from rich.table import Table
from rich.text import Text

from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import LedgerError, OtherVersionError
from labelbench_ray.ledger.data_notes import DataNotes, read_notes
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.provenance import MAY_DIFFER, describe, provenances
from labelbench_ray.ledger.records import Entry, RoundRecord
from labelbench_ray.ledger.trials import History, read_failure, read_history
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.locks import held
from labelbench_ray.storage.parallel import read_each

ALL_SHOWN: Final = 40
"""Grids with more trials are shown without those that are done or wait."""

MOST_CAUTIONS: Final = 5
"""Cautions about single trials; more are one line."""


class State(StrEnum):
    """Where a trial is."""

    DONE = "done"
    RUNNING = "running"
    """A process holds its lock."""
    STOPPED = "stopped"
    """Early, since others were better."""
    FAILED = "failed"
    DAMAGED = "damaged"
    WAITING = "waiting"
    """Nobody works on it, and nothing is wrong with it."""


QUIET: Final = (State.DONE, State.STOPPED, State.WAITING)


class TrialStatus(Frozen):
    """One trial."""

    fingerprint: str
    name: str
    """Its strategy, and what else tells it apart in words."""
    seed: int
    state: State
    rounds_done: int
    rounds: int
    last_round: datetime | None
    """When the last round was recorded."""
    why: str
    """Why it failed, was stopped or cannot be read, in one line; "" for the others."""
    versions: str = ""
    """Which versions made which rounds, where several did."""
    data: str = ""
    """What is known to have changed in its data since they were embedded; "" for nothing."""


class Status(Frozen):
    """An experiment's trials."""

    experiment: str
    folder: str
    """Path or URI."""
    trials: tuple[TrialStatus, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[State, int]:
        """How many trials are in each state."""
        found = Counter(trial.state for trial in self.trials)
        return {state: found[state] for state in State}


def read(folder: Path) -> Status:
    """The status of the experiment in a folder.

    Raises:
        LedgerError: its `experiment.json` is damaged. (A damaged trial is told as such.)
    """
    grid = read_grid(folder)
    by_rounds = sorted(grid.entries, key=lambda entry: entry.trial.rounds)
    longest = {entry.fingerprint: entry for entry in by_rounds}  # a trial with fewer rounds is its beginning
    here = [entry for entry in grid.entries if longest[entry.fingerprint] is entry]
    trials = tuple(read_each(partial(_status, folder, read_notes(folder)), here))
    return Status(experiment=grid.experiment, folder=str(folder), trials=trials)


def table(status: Status) -> Table:
    """Every trial; of a large grid those that run or have something wrong."""
    shown = [trial for trial in status.trials if len(status.trials) <= ALL_SHOWN or trial.state not in QUIET]
    made = Table("trial", "strategy", "seed", "state", "rounds", "last round", "why", box=None, pad_edge=False)
    for trial in shown:
        made.add_row(
            trial.fingerprint,
            Text(trial.name),
            str(trial.seed),
            trial.state.value,
            f"{trial.rounds_done} of {trial.rounds}",
            trial.last_round.astimezone().strftime("%Y-%m-%d %H:%M:%S") if trial.last_round else "",
            Text(trial.why),
        )
    return made


def summary(status: Status) -> str:
    """The sums in one line."""
    states = ", ".join(f"{count} {state.value}" for state, count in status.counts.items() if count)
    rounds, done = sum(trial.rounds for trial in status.trials), sum(trial.rounds_done for trial in status.trials)
    hidden = len(status.trials) > ALL_SHOWN and any(trial.state in QUIET for trial in status.trials)
    return (
        f"{status.experiment}: {len(status.trials)} trials: {states or 'none'}; {done} of {rounds} rounds recorded"
        + ("; those that are done, stopped or waiting are not listed" if hidden else "")
    )


def cautions(status: Status) -> list[str]:
    """What to know of trials made from data that changed since, or whose rounds several versions made.

    A line each; of a large grid the number of the mixed ones alone.
    """
    changes = Counter(trial.data for trial in status.trials if trial.data)
    changed = [
        f"{count} trial{'s were' if count > 1 else ' was'} made from other data: {text}"
        for text, count in changes.items()
    ]
    mixed = [trial for trial in status.trials if trial.versions]
    if len(mixed) > MOST_CAUTIONS:
        return [*changed, f"the rounds of {len(mixed)} trials were made by several versions each: {MAY_DIFFER}"]
    return [*changed, *(f"{trial.name}, seed {trial.seed}: {trial.versions}" for trial in mixed)]


def _status(folder: Path, notes: DataNotes, entry: Entry) -> TrialStatus:
    directory = folder / entry.fingerprint
    is_held = held(directory / "lock")  # before its records are read: it may end meanwhile
    state, why, data = State.RUNNING if is_held else State.WAITING, "", ""
    records: tuple[RoundRecord, ...] = ()
    versions = ""
    try:
        if (directory / "trial.json").is_file():
            history = read_history(directory)
            records, data = history.records, str(notes.of(history.header.store))
            versions = describe(provenances(history.header, records))
            state, why = _judge(entry, history, is_held)
        elif not is_held and (failure := read_failure(directory)):
            state, why = State.FAILED, _one_line(failure.error)
    except OtherVersionError:
        raise
    except LedgerError as error:
        state, why = State.DAMAGED, _one_line(str(error))
    trial = entry.trial
    return TrialStatus(
        fingerprint=entry.fingerprint,
        name=str(trial.strategy),
        seed=trial.seed,
        state=state,
        rounds_done=min(len(records), trial.rounds),
        rounds=trial.rounds,
        last_round=_ended(records[-1]) if records else None,
        why=why,
        versions=versions,
        data=data,
    )


def _judge(entry: Entry, history: History, is_held: bool) -> tuple[State, str]:
    if history.header.fingerprint != entry.fingerprint:
        return State.DAMAGED, f"the folder holds trial {history.header.fingerprint}; move it back"
    if len(history.records) >= entry.trial.rounds:
        return State.DONE, ""
    if history.stopped and not history.failure:
        # Before its lock is asked for: its process holds that until it is given another trial.
        return State.STOPPED, str(history.stopped)
    if is_held:
        return State.RUNNING, ""
    if history.failure:
        return State.FAILED, _one_line(history.failure.error)
    return State.WAITING, ""


def _ended(record: RoundRecord) -> datetime | None:
    return None if record.finished is None else datetime.fromtimestamp(record.finished / 1000, UTC)


def _one_line(text: str) -> str:
    return " ".join(redacted(text).split()) or "no reason recorded"

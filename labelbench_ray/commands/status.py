"""How far an experiment has come: read from the ledger alone, also while a sweep runs on any machine."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import Field, computed_field
from rich.table import Table
from rich.text import Text

from labelbench_ray.ledger.data_notes import DataNotes
from labelbench_ray.ledger.experiments import read_grid, tags_text
from labelbench_ray.ledger.provenance import MAY_DIFFER, describe, provenances
from labelbench_ray.ledger.records import Entry
from labelbench_ray.ledger.shared import entry_directory, entry_progress, notes_by_owner
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.locks import held
from labelbench_ray.storage.parallel import read_below

ALL_SHOWN: Final = 40
"""Of grids with more trials, only those in the states `LISTED` are."""

MOST_CAUTIONS: Final = 5
"""Cautions about single trials; more are one line."""


LISTED: Final = (TrialState.RUNNING, TrialState.AWAITING_LABELS, TrialState.FAILED, TrialState.DAMAGED)
"""States that are listed of a large grid."""


class TrialStatus(Frozen):
    """One trial."""

    fingerprint: str
    name: str
    """Its strategy."""
    seed: int
    state: TrialState
    rounds_done: int
    rounds: int
    last_round: datetime | None
    """When the last round was recorded."""
    reason: str
    """Why it failed, was stopped early or is damaged, or what it waits for, in one line; "" in other states."""
    versions: str = ""
    """Which versions made which rounds, where several did."""
    data: str = ""
    """What is known to have changed in its data since they were embedded; "" for nothing."""
    rebuilt: str = Field(default="", exclude_if=lambda rebuilt: not rebuilt)
    """Shards of its store that were lost and embedded again to other bits, in a sentence; "" for none."""


class Status(Frozen):
    """An experiment's trials."""

    experiment: str
    folder: str
    """Path or URI."""
    owner: str | None = Field(default=None, exclude_if=lambda owner: owner is None)
    tags: dict[str, str] = Field(default={}, exclude_if=lambda tags: not tags)
    trials: tuple[TrialStatus, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[TrialState, int]:
        """How many trials are in each state."""
        found = Counter(trial.state for trial in self.trials)
        return {state: found[state] for state in TrialState}


def read(folder: Path) -> Status:
    """The status of the experiment in a folder.

    Raises:
        LedgerError: its `experiment.json` is damaged. (A damaged trial has that state.)
    """
    grid = read_grid(folder)
    by_rounds = sorted(grid.entries, key=lambda entry: entry.trial.rounds)
    longest = {entry.fingerprint: entry for entry in by_rounds}  # a trial with fewer rounds is its beginning
    here = [entry for entry in grid.entries if longest[entry.fingerprint] is entry]
    trials = tuple(read_below(folder, partial(_status, folder, notes_by_owner(folder, grid)), here))
    return Status(experiment=grid.experiment, folder=str(folder), owner=grid.owner, tags=grid.tags, trials=trials)


def table(status: Status) -> Table:
    """Every trial; of a large grid those that run, await labels, or have something wrong."""
    shown = [trial for trial in status.trials if len(status.trials) <= ALL_SHOWN or trial.state in LISTED]
    made = Table("trial", "strategy", "seed", "state", "rounds", "last round", "reason", box=None, pad_edge=False)
    for trial in shown:
        made.add_row(
            trial.fingerprint,
            Text(trial.name),
            str(trial.seed),
            trial.state.words,
            f"{trial.rounds_done} of {trial.rounds}",
            trial.last_round.astimezone().strftime("%Y-%m-%d %H:%M:%S") if trial.last_round else "",
            Text(trial.reason),
        )
    return made


def summary(status: Status) -> str:
    """The sums in one line."""
    states = ", ".join(f"{count} {state.words}" for state, count in status.counts.items() if count)
    rounds, done = sum(trial.rounds for trial in status.trials), sum(trial.rounds_done for trial in status.trials)
    hidden = len(status.trials) > ALL_SHOWN and any(trial.state not in LISTED for trial in status.trials)
    return (
        f"{status.experiment}: {len(status.trials)} trials: {states or 'none'}; {done} of {rounds} rounds recorded"
        + ("; only trials that run, await labels, failed or are damaged are listed" if hidden else "")
        + (f"; owner {status.owner}" if status.owner else "")
        + (f"; tags {tags_text(status.tags)}" if status.tags else "")
    )


def cautions(status: Status) -> list[str]:
    """What to know of trials made from data that changed since, of rebuilt shards, and of rounds by several versions.

    A line each; of a large grid the number of the mixed ones alone.
    """
    changes = Counter(trial.data for trial in status.trials if trial.data)
    changed = [
        f"{count} trial{'s were' if count > 1 else ' was'} made from other data: {text}"
        for text, count in changes.items()
    ]
    changed += [f"embeddings: {text}" for text in dict.fromkeys(trial.rebuilt for trial in status.trials) if text]
    mixed = [trial for trial in status.trials if trial.versions]
    if len(mixed) > MOST_CAUTIONS:
        return [*changed, f"the rounds of {len(mixed)} trials were made by several versions each: {MAY_DIFFER}"]
    return [*changed, *(f"{trial.name}, seed {trial.seed}: {trial.versions}" for trial in mixed)]


def _status(folder: Path, notes: Mapping[str, DataNotes], entry: Entry) -> TrialStatus:
    directory, trial = entry_directory(folder, entry), entry.trial
    is_held = held(directory / "lock")  # before its records are read: it may end in between
    found = entry_progress(folder, entry, is_held)
    last = found.records[-1].finished / 1000 if found.records else None
    note = notes[entry.owner].of(found.header.store) if found.header else None
    return TrialStatus(
        fingerprint=entry.fingerprint,
        name=str(trial.strategy),
        seed=trial.seed,
        state=found.state,
        rounds_done=min(len(found.records), trial.rounds),
        rounds=trial.rounds,
        last_round=None if last is None else datetime.fromtimestamp(last, UTC),
        reason=found.reason,
        versions=describe(provenances(found.header, found.records)) if found.header else "",
        data=str(note) if note else "",
        rebuilt=note.rebuilt if note else "",
    )

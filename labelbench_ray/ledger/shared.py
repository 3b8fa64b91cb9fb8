"""Trials that several experiments below one runs folder have: one ledger, where the first of them put it.

Another experiment's `experiment.json` names that folder (`Entry.owner`) and the store whose rows the ledger was made
from. Whichever experiment runs the trial writes there and holds the lock there, so that it runs once.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.data_notes import DataNotes, read_notes
from labelbench_ray.ledger.experiments import FILE, read_grid
from labelbench_ray.ledger.records import Entry, Grid, Header
from labelbench_ray.ledger.state import TrialProgress, TrialState, trial_progress
from labelbench_ray.ledger.trials import read_header

TINY: Final = ".tiny"
"""Smoke tests share trials with each other only: people delete them."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Where the trials of an experiment lie, or would lie."""

    folder: Path
    """The experiment's own."""
    others: Mapping[str, tuple[Path, ...]]
    """By fingerprint, the folders of other experiments that have the trial as theirs."""

    @classmethod
    def of(cls, folder: Path) -> "Owners":
        """Read which trials the other experiments beside a folder have, and which of them this one refers to."""
        others: dict[str, list[Path]] = {}
        for fingerprint, owner in _referred(folder).items():
            others.setdefault(fingerprint, []).append(owner)
        for path in sorted(folder.parent.glob(f"*/{FILE}")):
            other = path.parent
            if other == folder or other.name.endswith(TINY) != folder.name.endswith(TINY):
                continue
            grid = _grid(other)
            for entry in grid.entries if grid else ():
                if not entry.owner:
                    others.setdefault(entry.fingerprint, []).append(other)
        return cls(folder, {fingerprint: tuple(dict.fromkeys(found)) for fingerprint, found in others.items()})

    def directory(self, fingerprint: str, store: str) -> Path:
        """The folder of a trial's ledger.

        Its own where it has begun there; else that of another experiment that has begun it; else its own where it
        failed there before it began; else that of another experiment that has it in its list. None that was made
        from another store.

        Args:
            store: content hash of the store that the trial reads; "": not known yet.
        """
        own = self.folder / fingerprint
        found = [owner / fingerprint for owner in self.others.get(fingerprint, ())]
        if not found or (own / "trial.json").is_file():
            return own
        headers = {directory: _header(directory) for directory in found}
        begun = [directory for directory, header in headers.items() if header and store in ("", header.store)]
        tried = [own] if own.is_dir() else []  # it failed here before it began
        listed = [directory for directory, header in headers.items() if not (directory / "trial.json").is_file()]
        return next(iter([*begun, *tried, *listed]), own)


def entry_of(folder: Path, directory: Path, entry: Entry) -> Entry:
    """The entry of an experiment's list for a trial whose ledger is in `directory`."""
    if directory.parent == folder:
        return entry
    header = _header(directory)
    return entry.model_copy(update={"owner": directory.parent.name, "store": header.store if header else ""})


def entry_directory(folder: Path, entry: Entry) -> Path:
    """Where the ledger of an experiment's trial is."""
    return (folder.parent / entry.owner if entry.owner else folder) / entry.fingerprint


def entry_progress(folder: Path, entry: Entry, is_held: bool = False) -> TrialProgress:
    """How far an experiment's trial has come; a shared ledger that is of another store now is refused.

    Raises:
        OtherVersionError: another version wrote its files.
    """
    directory = entry_directory(folder, entry)
    found = trial_progress(directory, entry.fingerprint, entry.trial.rounds, is_held=is_held)
    if entry.store and found.header and found.header.store != entry.store:
        reason = f"{directory} was shared and is made from another store now; `labelbench run` runs the trial here"
        return TrialProgress(TrialState.DAMAGED, reason)
    return found


def notes_by_owner(folder: Path, grid: Grid) -> dict[str, DataNotes]:
    """The notes on the data behind an experiment's trials, by `Entry.owner`."""
    owners = {entry.owner for entry in grid.entries}
    return {owner: read_notes(folder.parent / owner if owner else folder) for owner in owners}


def shared_directories(folder: Path, grid: Grid) -> list[Path]:
    """The ledgers of an experiment that are in the folders of others, as far as they have begun."""
    found = (entry_directory(folder, entry) for entry in grid.entries if entry.owner)
    return [directory for directory in found if (directory / "trial.json").is_file()]


def _referred(folder: Path) -> dict[str, Path]:
    """The owners of the shared ledgers that an experiment's list names, as far as they are still there."""
    grid = _grid(folder)
    found = shared_directories(folder, grid) if grid else []
    return {directory.name: directory.parent for directory in found}


def _grid(folder: Path) -> Grid | None:
    with suppress(LedgerError, OSError):  # of another version, damaged, or not there: its trials are not shared
        return read_grid(folder)
    return None


def _header(directory: Path) -> Header | None:
    with suppress(LedgerError, OSError):
        return read_header(directory / "trial.json")
    return None

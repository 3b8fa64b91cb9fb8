"""Facts about the data behind an experiment's results: `data.json` in its folder, so that reports need no store.

Commands that look at the data write it; `report` and `status` read it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import Field, NonNegativeInt

from labelbench_ray.embeddings.manifests import Manifest, describe_rebuilt
from labelbench_ray.embeddings.overlaps import Overlaps
from labelbench_ray.errors import DamagedError
from labelbench_ray.ledger.experiments import FILE as GRID
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import read_value

FILE: Final = "data.json"


class DataNote(Frozen):
    """Facts about the data behind one store."""

    changed: str = ""
    """What has changed since the data were embedded; "" for nothing."""
    noticed: NonNegativeInt = 0
    """When the change was noticed, in milliseconds since 1970."""
    overlaps: Overlaps = Overlaps()
    """Rows that are in two splits."""
    rows: dict[str, NonNegativeInt] = Field(default={}, exclude_if=lambda rows: not rows)
    """Embedded rows by split; none in older notes."""
    num_classes: NonNegativeInt = Field(default=0, exclude_if=lambda count: not count)
    """0 in older notes."""
    class_counts: tuple[NonNegativeInt, ...] = Field(default=(), exclude_if=lambda counts: not counts)
    """Rows of the pool of each class; none in older notes, or where they are not known."""
    rebuilt: str = Field(default="", exclude_if=lambda rebuilt: not rebuilt)
    """Shards that were lost and embedded again to other bits, in a sentence; "" for none."""

    def __str__(self) -> str:
        """The change and when it was noticed."""
        when = datetime.fromtimestamp(self.noticed / 1000, UTC).astimezone()
        return f"{self.changed} (noticed {when:%Y-%m-%d %H:%M:%S})" if self.changed else ""


NOTHING_NOTED: Final = DataNote()


class DataNotes(Frozen):
    """The notes of an experiment by the content hash of the store."""

    stores: dict[str, DataNote] = {}

    def of(self, store: str) -> DataNote:
        """The note on one store's data."""
        return self.stores.get(store, NOTHING_NOTED)


def read_notes(folder: Path) -> DataNotes:
    """The notes of an experiment's folder; unreadable ones count as none, because they are written anew."""
    if not (folder / FILE).is_file():
        return DataNotes()
    try:
        return read_value(DataNotes, folder / FILE, "any command that looks at the data writes it anew")
    except DamagedError:
        return DataNotes()


def note_change(folder: Path, store: str, changed: str) -> None:
    """Record what changed in the data behind a store; "" for nothing."""
    noticed = round(time.time() * 1000) if changed else 0
    _note(
        folder, store, lambda note: note if note.changed == changed else _with(note, changed=changed, noticed=noticed)
    )


def note_overlaps(folder: Path, store: str, overlaps: Overlaps) -> None:
    """Record which rows behind a store are in two splits."""
    _note(folder, store, lambda note: _with(note, overlaps=overlaps))


def note_rows(folder: Path, manifest: Manifest, class_counts: tuple[int, ...] = ()) -> None:
    """Record how many rows each split of a store has, classes, the pool's rows of each if known, and rebuilt shards."""
    found: dict[str, object] = {
        "rows": {split: manifest.count(split) for split in manifest.splits},
        "num_classes": len(manifest.classes),
        "rebuilt": describe_rebuilt(manifest.rebuilt) or "",
    }
    if class_counts:
        found["class_counts"] = class_counts
    _note(folder, manifest.content, lambda note: _with(note, **found))


def _with(note: DataNote, **fields: object) -> DataNote:
    return note.model_copy(update=fields)


def _note(folder: Path, store: str, change: Callable[[DataNote], DataNote]) -> None:
    """Write a changed note; does nothing before the first run, or if nothing is new."""
    if not (folder / GRID).is_file():
        return
    notes = read_notes(folder)
    if (note := change(notes.of(store))) == notes.of(store):
        return
    with suppress(OSError):  # the command also prints it
        publish(folder / FILE, DataNotes(stores=notes.stores | {store: note}).model_dump_json(indent=1).encode())

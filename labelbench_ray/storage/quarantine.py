"""Quarantine: unusable files are moved, never deleted, with the reason beside them.

<folder>/quarantine/<unix time>/why.json          what was wrong, in the words of the refusal
                               /rounds/002.json   the files, below the names that they had in the folder

Only a writer moves files, under its lock; readers raise an error that names the file.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from pydantic import NonNegativeInt

from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import read_value
from labelbench_ray.storage.versions import versions

FOLDER, REASON = "quarantine", "why.json"


class QuarantineNote(Frozen):
    """`why.json`."""

    time: NonNegativeInt
    """Seconds since 1970."""
    reason: str
    files: tuple[str, ...]
    """Names below the folder that they were moved from."""
    versions: dict[str, str] = {}
    """Versions of the code that moved them; older files do not state them."""


def set_aside(directory: Path, files: Iterable[Path], reason: str) -> Path:
    """Move files of a folder into its quarantine, the first one last; returns where they are now.

    A process that dies in between leaves copies and the first file, so that the next one moves the rest.
    """
    below = {_name(directory, path): path for path in files if path.is_file()}
    now = int(time.time())
    while (folder := directory / FOLDER / str(now)).exists():
        now += 1
    folder.mkdir(parents=True, exist_ok=True)
    note = QuarantineNote(time=now, reason=reason, files=tuple(below), versions=versions())
    publish(folder / REASON, note.model_dump_json(indent=1).encode())
    for name, path in reversed(below.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        publish(folder / name, path.read_bytes())
        path.unlink(missing_ok=True)
    return folder


def set_asides(directory: Path) -> tuple[str, ...]:
    """The quarantined sets of a folder, by unix time, earliest first; other files there are ignored."""
    folder = directory / FOLDER
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return tuple(sorted(name for name in names if name.isascii() and name.isdigit()))


def read_quarantine_note(directory: Path, name: str) -> QuarantineNote:
    """Why files were set aside; `LedgerError` where that cannot be read."""
    return read_value(QuarantineNote, directory / FOLDER / name / REASON, "delete it; nothing depends on it")


def _name(directory: Path, path: Path) -> str:
    return str(path).removeprefix(str(directory)).lstrip("/")

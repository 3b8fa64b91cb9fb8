"""How often a piece of work was begun and its process died: marks in a folder, or in an object store, by all workers.

    <store>/attempts/<command>/<work>/<token>    made when an attempt begins, deleted when it ends but by a death

Ray repeats what a dead worker did, on any node and as often as it likes; the next attempt sees the marks.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labelbench_ray.storage.atomic import publish, remove

FOLDER = "attempts"


@contextmanager
def marks(directory: Path) -> Iterator[Path]:
    """A fresh folder for the marks of one command, which holds the directory's lock; deleted at the end."""
    remove(directory / FOLDER)  # of commands that were killed, and of their workers' last seconds
    folder = directory / FOLDER / secrets.token_hex(4)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(directory / FOLDER)


@contextmanager
def attempt(folder: Path) -> Iterator[int]:
    """Make a mark for as long as it takes; yields in how many earlier attempts at this work the process died."""
    died = sum(not mark.name.startswith(".") for mark in folder.iterdir()) if folder.is_dir() else 0
    with suppress(FileNotFoundError):  # the command is over, and with it this worker, which may only have started
        folder.mkdir(exist_ok=True)
        publish(folder / secrets.token_hex(8), b"")
    try:
        yield died
    finally:
        remove(folder)

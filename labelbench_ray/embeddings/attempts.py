"""Marks that count how often a process died while it did a piece of work, in a folder or in an object store.

    <store>/attempts/<command>/<work>/<token>    made when an attempt begins; deleted when it ends, unless its process
    dies

Ray repeats the work of a dead worker, on any node and any number of times; the next attempt sees the marks.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labelbench_ray.storage.atomic import publish, remove
from labelbench_ray.storage.remote import Remote

FOLDER = "attempts"


@contextmanager
def marks(directory: Path) -> Iterator[Path]:
    """A new folder for the marks of one command, which holds the directory's lock; deleted at the end."""
    remove(directory / FOLDER)  # marks of killed commands, and of their last workers
    folder = directory / FOLDER / secrets.token_hex(4)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(directory / FOLDER)


@contextmanager
def attempt(folder: Path) -> Iterator[int]:
    """Make a mark within the context; yields the number of earlier attempts at this work whose process died."""
    died = sum(not mark.name.startswith(".") for mark in folder.iterdir()) if folder.is_dir() else 0
    with suppress(FileNotFoundError):  # the command has ended, and this worker is about to
        folder.mkdir(exist_ok=True)
        _make(folder / secrets.token_hex(8))
    try:
        yield died
    finally:
        remove(folder)


def _make(mark: Path) -> None:
    """Make a mark. It is not flushed to the disk: a power cut ends the command too, and its marks with it."""
    if isinstance(mark, Remote):
        publish(mark, b"")
    else:
        mark.touch()

"""Locks of folders that do not outlive their process: `flock` on a disk, a lease in an object store.

The file of a `flock` names its holder, for processes that wait. A lock whose file was deleted or replaced protects
nothing, since others lock the new file: this is detected when the lock is taken and whenever it is checked.
"""

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.errors import LostLockError
from labelbench_ray.storage.lease import NOTICE_SECONDS, leased, renewed, waiting_words
from labelbench_ray.storage.remote import Remote

POLL_SECONDS = 0.05
LONGEST_HOLDER = 200
"""Characters of a holder's name that are shown."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was taken."""

    path: Path
    is_held: Callable[[], bool]
    """Whether this process still holds it: asks the disk or the store each time."""

    def check(self) -> None:
        """Refuse to continue without the lock.

        Raises:
            LostLockError: its file was deleted or replaced, or another process took the lease over.
        """
        if not self.is_held():
            raise LostLockError(
                f"{self.path}: this process no longer holds this lock (its file was deleted, or another run took it "
                "over), so it writes nothing more here; let the other run go on alone, or start the command again"
            )


NO_LOCK = Lock(Path("lock"), lambda: True)
"""For a folder that only one thread of one process uses."""


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Hold an exclusive lock on a file, after waiting for its holder; it is freed soon after its process ends.

    A wait of more than `NOTICE_SECONDS` is logged as a warning that names the holder.
    """
    if isinstance(path, Remote):
        with leased(path) as is_held:
            yield Lock(path, is_held)
        return
    descriptor = _taken(path)
    try:
        _name_holder(descriptor)
        yield Lock(path, lambda: _is_there(descriptor, path))
    finally:
        os.close(descriptor)


def held(path: Path) -> bool:
    """Whether a living process holds the lock; the check blocks other processes for a moment at most."""
    if isinstance(path, Remote):
        return renewed(path)
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _taken(path: Path) -> int:
    """A locked descriptor of the file that has this name now; links are not followed."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            _wait(descriptor, path)
            if _is_there(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait(descriptor: int, path: Path) -> None:
    end = time.monotonic() + NOTICE_SECONDS
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL_SECONDS)
        else:
            return
    logger.warning("%s", waiting_words(path, _holder(path)))
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_there(descriptor: int, path: Path) -> bool:
    """Whether the name still leads to the locked file."""
    ours = os.fstat(descriptor)
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _name_holder(descriptor: int) -> None:
    text = json.dumps({"host": socket.gethostname(), "process": os.getpid()})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _holder(path: Path) -> str:
    """The holder that the lock's file states; older versions left the file empty."""
    try:
        stated = json.loads(path.read_bytes())
        return f"{stated['host']}, process {stated['process']}"[:LONGEST_HOLDER]
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that does not state its name"

"""What this machine keeps of remote stores: how large it is, what is in use, and what is deleted first.

    <cache>/<hash of a remote folder>/arrays/<content>        an entry: a store's arrays, or the file of a view
    <cache>/<hash of a remote folder>/arrays/.<content>.use   locked by each process that uses it; dated by the last use

Processes hold the lock in shared mode until they end. An entry is deleted under the exclusive lock, so never one that
is in use, and is made again by the next process that needs it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.remote import cache_folder

LIMIT: Final = "LABELBENCH_CACHE_GB"
"""Environment variable: a new entry first deletes those that were used the longest time ago, until all fit into this
many GB (of 10^9 bytes); default: only until the disk has room."""
GB: Final = 1e9
ARRAYS: Final = "arrays"
_held: dict[Path, int] = {}
"""Descriptors of the locks of this process."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A store's arrays, with the decoded images in them, or a view's."""

    path: Path
    size: int
    """Bytes on disk."""
    used: float
    """When a process began to use it last, in seconds since 1970."""
    in_use: bool


def is_entry(path: Path) -> bool:
    """Whether a path is that of an entry, which may not be made yet."""
    folder = cache_folder()
    return path.is_relative_to(folder) and path.relative_to(folder).parts[1:-1] == (ARRAYS,)


def use(path: Path) -> None:
    """Keep an entry from being deleted until this process ends; other paths are nobody's to delete."""
    if not is_entry(path) or path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits while the entry is being deleted
    os.utime(descriptor)
    _held[path] = descriptor


def entries() -> list[CacheEntry]:
    """Every entry, the least recently used first."""
    found = (path for path in cache_folder().glob(f"*/{ARRAYS}/*") if _is_made(path))
    return sorted((_entry(path) for path in found), key=lambda entry: (entry.used, entry.path))


def evict(most: float, needed: int = 0) -> list[CacheEntry]:
    """Delete entries that are not in use, the least recently used first, until `needed` more bytes fit into `most`.

    Returns those that were deleted. What is in use stays, also where it is larger than that.
    """
    every = entries()
    size = sum(entry.size for entry in every) + needed
    deleted = []
    for entry in every:
        if size <= most:
            break
        if _delete(entry.path):
            size -= entry.size
            deleted.append(entry)
    return deleted


def make_room(path: Path, needed: int) -> None:
    """Delete what a new entry does not leave space for: beyond the limit, and then on the disk.

    Raises:
        ConfigError: the limit is not a number of GB.
    """
    if not path.is_relative_to(cache_folder()):
        return
    evict(limit_bytes(), needed)
    lacking = needed - shutil.disk_usage(path.parent).free
    if lacking > 0:
        evict(sum(entry.size for entry in entries()) - lacking)


def limit_bytes() -> float:
    """The limit that the environment states; infinite without one.

    Raises:
        ConfigError: it is not a number of GB.
    """
    stated = os.environ.get(LIMIT) or "inf"
    try:
        gigabytes = float(stated)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes >= 0:
        raise ConfigError(f"{LIMIT}={stated}: not a size; give a number of GB, such as {LIMIT}=200")
    return gigabytes * GB


def total_size(some: Sequence[CacheEntry]) -> int:
    """Bytes of entries."""
    return sum(entry.size for entry in some)


def _delete(path: Path) -> bool:
    """Delete an entry; False where a process uses it."""
    with _exclusively(path) as is_ours:
        if is_ours:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return is_ours


@contextmanager
def _exclusively(path: Path) -> Iterator[bool]:
    """Whether no process uses an entry; none begins to within the context."""
    descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _entry(path: Path) -> CacheEntry:
    lock = _lock_of(path)
    if not lock.exists():  # of an older version
        lock.touch()
        os.utime(lock, (path.stat().st_mtime,) * 2)
    used = lock.stat().st_mtime
    files = path.rglob("*") if path.is_dir() else [path]
    size = sum(file.stat().st_blocks * 512 for file in files if file.is_file())
    with _exclusively(path) as is_ours:
        in_use = not is_ours
    return CacheEntry(path, size, used, in_use)


def _is_made(path: Path) -> bool:
    return not path.name.startswith(".") and path.name != "lock"


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.use")

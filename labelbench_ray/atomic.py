"""Files that are whole or absent, and locks that do not outlive their process; on a disk or in an object store."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labelbench_ray.lease import leased, renewed
from labelbench_ray.remote import Remote


def publish(path: Path, data: bytes) -> None:
    """Write a file so that a reader, a crash or a full disk sees all of it or nothing.

    Raises:
        OSError: the disk is full, read-only or broken; names the file, which is as it was before.
    """
    if isinstance(path, Remote):
        path.put(data)
        return
    # Not by the process's number alone: on a shared disk other machines have the same, containers most of all.
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.draft")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        text = f"{error.strerror}, so it was not written; mend that (make room), and run the same command again"
        raise OSError(error.errno, text, str(path)) from error
    finally:
        with suppress(OSError):  # a disk that is read-only now would hide what went wrong
            draft.unlink(missing_ok=True)


def publish_once(path: Path, data: bytes) -> None:
    """Publish where nothing is yet, as the holder of the folder's lock.

    In an object store a lock may be lost to another holder without notice; there the put itself is conditional.

    Raises:
        FileExistsError: other content lies there; the same content is as good as written.
    """
    try:
        if isinstance(path, Remote):
            path.create(data)
        elif path.exists():
            raise FileExistsError(f"{path}: somebody else wrote it meanwhile")
        else:
            publish(path, data)
    except FileExistsError:
        if path.read_bytes() != data:
            raise


def remove(folder: Path) -> None:
    """Delete a folder and what lies in it; nothing is wrong with one that is not there."""
    if not isinstance(folder, Remote):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        remove(path)
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting for a predecessor to end; it is free soon after its process ends."""
    if isinstance(path, Remote):
        with leased(path):
            yield
        return
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def held(path: Path) -> bool:
    """Whether a living process holds the lock; looking keeps nobody from taking it for longer than a moment."""
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

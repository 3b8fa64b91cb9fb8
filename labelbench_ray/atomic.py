"""Files that are whole or absent, and locks that die with their process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def publish(path: Path, data: bytes) -> None:
    """Write a file so that a reader, a crash or a full disk sees all of it or nothing.

    Raises:
        OSError: the disk is full, read-only or broken; names the file, which is as it was before.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting for a predecessor to end; the kernel frees it with the process."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

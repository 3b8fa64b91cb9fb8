"""Files that are complete or absent, on a disk or in an object store; links out of a folder are refused."""

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from labelbench_ray.errors import LedgerError
from labelbench_ray.storage.remote import Remote

NO_SUCH_CALL = (errno.EINVAL, errno.ENOTSUP)
"""Errors of file systems that cannot flush a folder."""
NOTHING: Final = MappingProxyType[Path, bytes]({})


def publish(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader, a crash or a full disk sees all of it or nothing.

    Raises:
        OSError: the disk is full, read-only or broken; names the file, which is as it was before.
    """
    if isinstance(path, Remote):
        path.put(data)
    else:
        _publish({path: data})


def publish_once(path: Path, data: bytes, before: Mapping[Path, bytes] = NOTHING) -> None:
    """Publish a file that does not exist yet, as the holder of the folder's lock.

    In an object store a lock may be lost without notice, so the put itself is conditional there.

    Args:
        before: files of the same folder that are published first. Together they wait for a disk half as often.

    Raises:
        FileExistsError: a file with other content exists; one with the same content counts as written.
    """
    try:
        if isinstance(path, Remote):
            for other, content in before.items():
                publish(other, content)
            path.create(data)
        elif path.exists():
            raise FileExistsError(f"{path}: another process wrote it first")
        else:
            _publish({**before, path: data})
    except FileExistsError:
        if path.read_bytes() != data:
            raise


def _publish(files: Mapping[Path, bytes]) -> None:
    """Publish files of one folder on a disk: rename them in their order once all are flushed."""
    # The process id is not enough: on a shared disk, processes of other machines and containers have the same.
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.draft") for path in files}
    *_, last = files
    try:
        with ExitStack() as stack:
            descriptors = [_written(stack.enter_context(drafts[path].open("wb")), files[path]) for path in files]
            for descriptor in descriptors:
                os.fsync(descriptor)
        for path, draft in drafts.items():
            draft.replace(path)
        _flush_folder(last.parent)
    except OSError as error:
        text = f"{error.strerror}, so it was not written; fix that (make room), and run the same command again"
        raise OSError(error.errno, text, str(last)) from error
    finally:
        with suppress(OSError):  # a disk that is read-only now would hide what went wrong
            for draft in drafts.values():
                draft.unlink(missing_ok=True)


def _written(file: BinaryIO, data: bytes) -> int:
    """The descriptor of a file whose data are on their way to the disk.

    What is flushed afterwards is in one transaction of the file system with what was written before it.
    """
    file.write(data)
    file.flush()
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return file.fileno()


def remove(folder: Path) -> None:
    """Delete a folder and its content; a missing folder is fine."""
    if not isinstance(folder, Remote):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        remove(path)
        path.unlink(missing_ok=True)


def refuse_links(directory: Path) -> None:
    """Refuse a folder that contains a link, at any depth: nothing is read or written through a link.

    The folder itself may be a link.

    Raises:
        LedgerError: names the link and where it leads.
    """
    if isinstance(directory, Remote) or not directory.is_dir():
        return
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise LedgerError(
                    f"{entry.path}: is a link to {os.readlink(entry.path)}; records are not read or written through "
                    "links; put what it leads to in its place, or delete it"
                )
            if entry.is_dir(follow_symlinks=False):
                refuse_links(directory / entry.name)


def _flush_folder(folder: Path) -> None:
    """Flush a rename to the disk: otherwise a power cut may leave the old name, or none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SUCH_CALL:
            raise
    finally:
        os.close(descriptor)

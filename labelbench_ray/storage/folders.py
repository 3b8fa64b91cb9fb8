"""Folders that commands are given, to read or to write: what they must be, in the user's words."""

import errno
import os
from pathlib import Path
from typing import Final

from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.remote import is_remote, place

UNWRITABLE: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR)


def folder_place(text: str) -> Path:
    """The place of a folder, which need not exist yet.

    Raises:
        ConfigError: as for `place`; or a file is there, or where a folder above it would be.
    """
    folder = place(text)
    if not is_remote(folder):
        there = next(step for step in (folder, *folder.parents) if os.path.exists(step))  # raises for no path
        if not there.is_dir():
            raise ConfigError(f"{there} is a file; give a folder")
    return folder


def make_folder(folder: Path) -> Path:
    """Make a folder that a command is to write to, and those above it; returns it.

    Raises:
        ConfigError: it cannot be made or written where it is to be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in UNWRITABLE:  # a full disk, say, which the caller treats as it does while writing
            raise
        raise ConfigError(f"{folder} cannot be made ({error.strerror}); give a folder that can be written") from error
    if not is_remote(folder) and not os.access(folder, os.W_OK):
        raise ConfigError(f"{folder} cannot be written by this user; give another folder, or change its permissions")
    return folder

"""Where data lies: a path below the root, or a URI that pyarrow's file systems know (`s3://`, `gs://`, `file://`)."""

import os
import posixpath
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import fs

from labelbench_ray.errors import DataError, NotProvidedError

PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A file or folder on some file system. Picklable, so that it can travel to Ray tasks."""

    filesystem: Any
    path: str

    def __truediv__(self, name: str) -> "Place":
        return Place(self.filesystem, f"{self.path.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """The last step of its path."""
        return self.path.rstrip("/").rsplit("/", 1)[-1]

    @property
    def folder(self) -> "Place":
        """The folder that it lies in."""
        return Place(self.filesystem, self.path.rstrip("/").rpartition("/")[0])

    @property
    def local(self) -> bool:
        """It lies on a disk of this machine, so that its path can be opened."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def info(self) -> Any:  # noqa: ANN401  pyarrow's FileInfo, which has no type information
        """What lies here: `type`, `size`."""
        try:
            return self.filesystem.get_file_info(self.path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self}: {error}; check the address and the permissions") from error

    def exists(self) -> bool:
        return bool(self.info().type != fs.FileType.NotFound)

    def is_folder(self) -> bool:
        return bool(self.info().type == fs.FileType.Directory)

    def listing(self, *, recursive: bool = False) -> list[Any]:
        """What lies in this folder, sorted by path; below all of it, links to nothing are of the type `NotFound`.

        Raises:
            DataError: it cannot be listed, or a name in it is not UTF-8.
        """
        dangling = _check_links(self.path) if recursive and self.local else []
        try:
            found = self.filesystem.get_file_info(fs.FileSelector(self.path, recursive=recursive))
            lost = [fs.FileInfo(path, fs.FileType.NotFound) for path in dangling]
            return sorted([*found, *lost], key=lambda info: info.path)
        except UnicodeDecodeError as error:
            raise DataError(f"{_not_utf8(self.path)}: the name is not UTF-8, so no row id; rename it") from error
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self}: {error}; check the address and the permissions") from error

    def matching(self, pattern: str) -> "dict[str, Place]":
        """The files below this folder that a pattern means (`data/train-*.parquet`), sorted; each step means one step.

        They are named by the steps from the first one that is a pattern.
        """
        steps = pattern.split("/")
        first = next(number for number, step in enumerate(steps) if PATTERN.search(step))
        base, wanted = Place(self.filesystem, "/".join([self.path, *steps[:first]])), steps[first:]
        found: dict[str, Place] = {}
        for info in base.listing(recursive=len(wanted) > 1) if base.is_folder() else ():
            below = info.path[len(base.path) :].lstrip("/")
            names = below.split("/")
            if info.type == fs.FileType.File and len(names) == len(wanted) and all(map(fnmatchcase, names, wanted)):
                found[below] = Place(self.filesystem, info.path)
        return found

    def read(self) -> bytes:
        """The content of this file."""
        try:
            with self.filesystem.open_input_file(self.path) as file:
                return bytes(file.read())
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self}: {error}; the file was there when the data set was opened") from error


def _not_utf8(folder: str) -> str:
    """The first file or folder below a folder of this machine whose name is not UTF-8, with its bytes escaped."""
    for above, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            if not name.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in name):
                return ascii(f"{above}/{name}")
    return folder


def _check_links(folder: str) -> list[str]:
    """The links below a folder that lead to nothing, which a listing leaves out.

    Raises:
        DataError: a folder that cannot be listed, or a link to a folder above it, which would list the same files again
            and again under other names.
    """
    dangling: list[str] = []
    waiting: list[tuple[str, tuple[str, ...]]] = [(folder, (os.path.realpath(folder),))]
    while waiting:
        path, above = waiting.pop()
        for entry in _entries(path):
            link = entry.is_symlink()
            if link and not os.path.exists(entry.path):
                dangling.append(entry.path)
            elif os.path.isdir(entry.path) if link else entry.is_dir():
                real = os.path.realpath(entry.path) if link else f"{above[-1]}/{entry.name}"
                if real in above:
                    raise DataError(f"{entry.path}: a link to {real}, which it lies in; remove it")
                waiting.append((entry.path, (*above, real)))
    return dangling


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(
            f"{folder}: the folder cannot be listed ({error.strerror}); let it be read, as in chmod u+rx, or move it "
            "out of the data set"
        ) from error


class FileState(NamedTuple):
    """What shows that a file changed: its size in bytes, and when it was modified, in nanoseconds since 1970."""

    size: int
    modified: int


def locate(root: Path, path: str) -> Place:
    """The place that a `path` setting means: a URI as it stands, anything else below `root`.

    Raises:
        DataError: a URI that no file system of pyarrow takes.
    """
    address = path if "://" in path else str(root / path)
    if "://" not in address:
        return Place(fs.LocalFileSystem(), str((root / path).absolute()))
    try:
        filesystem, inner = fs.FileSystem.from_uri(address)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{address}: {error}; give a path below the root, or a URI s3://, gs:// or file://") from error
    return Place(filesystem, inner)


def resolve(file: Place, path: str) -> Place:
    """The place that a path in a file means: below the file's folder, or absolute on a disk of this machine.

    `..` goes back one step of the path's text, also behind a folder that is not there.
    """
    absolute = file.local and path.startswith("/")
    return Place(file.filesystem, posixpath.normpath(path if absolute else f"{file.folder.path}/{path}"))


def missing(place: Place, wanted: str) -> NotProvidedError:
    """The error for data that is not there: the path that was looked at and what to put there."""
    above = place.folder
    if above.info().type == fs.FileType.File:
        return NotProvidedError(f"{above} is a file; give the folder that holds {wanted}")
    return NotProvidedError(f"{place} is not there; put {wanted} there, or name the data's folder with --data-root")

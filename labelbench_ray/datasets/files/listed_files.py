"""Rows that a list names: the file of each row, and its label. Looked for once, when the data set is opened."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs

from labelbench_ray.datasets import Files, Records, Rows
from labelbench_ray.datasets.files.places import Place, missing
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels

STEPS_OUT = frozenset(("", ".", ".."))


@dataclass(frozen=True, slots=True, eq=False)
class ListedFiles:
    """Files below a folder, each with a label; a row's id is its path below the folder."""

    folder: Place
    names_N: Any
    """Paths below `folder`; a pyarrow array of large strings."""
    labels_N: Labels
    """(N, ...) as the task holds them."""
    sizes_N: NDArray[np.int64]
    """Bytes."""
    modified_N: NDArray[np.int64]
    """Nanoseconds since 1970."""
    content: str
    """A hash of all names, sizes and labels."""

    def __len__(self) -> int:
        return len(self.names_N)

    def read(self, rows: Rows) -> Records:
        ids = self.row_ids(rows).to_pylist()
        return Records(ids, [(self.folder / name).read() for name in ids], self.labels(rows))

    def labels(self, rows: Rows) -> Labels:
        return self.labels_N[np.asarray(rows, dtype=np.int64)]

    def locations(self, rows: Rows) -> list[str]:
        """The path of each of these rows' file."""
        return [str(self.folder / name) for name in self.row_ids(rows).to_pylist()]

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        return self.names_N.take(pa.array(np.asarray(rows, dtype=np.int64)))

    def found_files(self) -> Files:
        return Files(self.names_N, self.sizes_N, self.modified_N)

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return np.asarray(rows, dtype=np.int64)

    def labels_hash(self) -> str:
        return self.content


def listed_files(folder: Place, names: Sequence[str], labels_N: Labels, where: str) -> ListedFiles:
    """The rows that `where` lists, in its order.

    Raises:
        NotProvidedError: the folder is not there.
        DataError: a path that leaves the folder, that is listed twice, or that leads to no file; names the row.
    """
    if not folder.exists():
        raise missing(folder, f"the files that {where} names")
    _check_names(names, where)
    found = _sizes(folder, names)
    lost = [row for row, name in enumerate(names) if name not in found]
    if lost:
        raise DataError(
            f"{where}: {len(lost):,} of {len(names):,} files are not below {folder}, the first is {names[lost[0]]!r} "
            f"(row {lost[0]}); put them there, or take their rows out"
        )
    sizes_N, modified_N = (np.array([found[name][part] for name in names], np.int64) for part in (0, 1))
    digest = hashlib.sha256("".join(f"{name}\0{found[name][0]}\0" for name in names).encode())
    digest.update(np.ascontiguousarray(labels_N).data)
    return ListedFiles(folder, pa.array(names, pa.large_string()), labels_N, sizes_N, modified_N, digest.hexdigest())


def _check_names(names: Sequence[str], where: str) -> None:
    for row, name in enumerate(names):
        if not STEPS_OUT.isdisjoint(name.split("/")):
            raise DataError(
                f"{where}, row {row}: {name!r} is not a path below the data's folder; write it relative to it"
            )
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        rows = [row for row, other in enumerate(names) if other == name][:2]
        raise DataError(
            f"{where}: {name!r} is listed {count} times, in the rows {rows[0]} and {rows[1]}; list each file once"
        )


def _sizes(top: Place, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Size and time of every file in the folders of these names, by its path below `top`; each folder listed once."""
    found: dict[str, tuple[int, int]] = {}
    for step in dict.fromkeys(name.rpartition("/")[0] for name in names):
        folder = top / step if step else top
        for info in folder.listing() if folder.is_folder() else ():
            if info.type == fs.FileType.File:
                found[f"{step}/{info.base_name}" if step else info.base_name] = (info.size, info.mtime_ns or 0)
    return found

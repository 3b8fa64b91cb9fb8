"""Image folders: one folder a class, its files are the rows. Listed once, when the data set is opened."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs

from labelbench_ray.datasets import Records, Rows
from labelbench_ray.datasets._places import Place, missing
from labelbench_ray.errors import DataError, unknown

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass(frozen=True, slots=True, eq=False)
class FolderTable:
    """The files below one split's folder, class by class.

    Names are kept in an arrow array and labels as the rows at which the classes end: 1.3 million files are some 30 MB
    in two buffers, which Ray shares between tasks without copying, not 1.3 million Python objects.
    """

    folder: Place
    names_N: Any
    """Paths below `folder`, `<class>/<file>`; a pyarrow string array."""
    ends_K: NDArray[np.int64]
    """The number of files up to the end of each class."""
    content: str
    """A hash of all names and sizes."""

    def __len__(self) -> int:
        return len(self.names_N)

    def read(self, rows: Rows) -> Records:
        rows_B = np.asarray(rows, dtype=np.int64)
        names = self.names_N.take(pa.array(rows_B)).to_pylist()
        split = self.folder.path.rstrip("/").rsplit("/", 1)[-1]
        labels_B = np.searchsorted(self.ends_K, rows_B, side="right").astype(np.int64)
        return Records([f"{split}/{name}" for name in names], [(self.folder / name).read() for name in names], labels_B)


def class_folders(folder: Place, wanted: str) -> tuple[str, ...]:
    """The names of the class folders of a split, sorted.

    Raises:
        NotProvidedError: the folder is not there.
        DataError: it holds no folders.
    """
    if not folder.exists():
        raise missing(folder, wanted)
    if not folder.is_folder():
        raise DataError(f"{folder}: a file; an image folder has one folder for each class")
    classes = tuple(
        info.base_name
        for info in folder.listing()
        if info.type == fs.FileType.Directory and not info.base_name.startswith(".")
    )
    if not classes:
        raise DataError(f"{folder}: no class folders; an image folder has one folder for each class, with its images")
    return classes


def open_folder(folder: Place, classes: Sequence[str], wanted: str) -> FolderTable:
    """List the images of every class.

    Raises:
        NotProvidedError: the folder is not there.
        DataError: it holds a folder that is no class, or no image.
    """
    found = class_folders(folder, wanted)
    for name in found:
        if name not in classes:
            raise DataError(f"{folder / name}: {unknown('class', name, classes)}")
    digest = hashlib.sha256()
    names, counts = [], []
    for name in classes:
        # One listing a class bounds what is in memory at once and asks a bucket for pages of one prefix only.
        listed = (folder / name).listing(recursive=True) if name in found else []
        images = [info for info in listed if info.type == fs.FileType.File and _is_image(info.base_name)]
        below = [info.path[len(folder.path) :].lstrip("/") for info in images]
        digest.update("".join(f"{path}\0{info.size}\0" for path, info in zip(below, images, strict=True)).encode())
        names.append(pa.array(below, pa.large_string()))
        counts.append(len(below))
    if not sum(counts):
        raise DataError(f"{folder}: no images in its class folders (looked for {' '.join(SUFFIXES)})")
    return FolderTable(folder, pa.concat_arrays(names), np.cumsum(counts), digest.hexdigest())


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")

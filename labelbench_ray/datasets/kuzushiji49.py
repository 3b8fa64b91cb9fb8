"""Kuzushiji-49 (Clanuwat et al. 2018): 49 classes of handwritten Hiragana, the authors' NumPy files."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import Dataset, Findings, Source, signature
from labelbench_ray.datasets._findings import ignored
from labelbench_ray.datasets._splits import arrange, origins
from labelbench_ray.datasets.files.layout import beside
from labelbench_ray.datasets.files.metadata_columns import read_columns
from labelbench_ray.datasets.files.pixel_arrays import PixelTable, check_pixels
from labelbench_ray.datasets.files.places import Place, locate, missing
from labelbench_ray.errors import DataError

NUM_CLASSES: Final = 49
PARTS: Final = ("train", "test")
NAMES: Final = "k49_classmap.csv"


class Kuzushiji49(Dataset):
    """`<path>/k49-train-imgs.npz`, `k49-train-labels.npz`, the same of `test`, and `k49_classmap.csv`.

    The test set is halved into validation and test, as in LabelBench, which reads a tenth of the rows; here every row
    is read (`max_rows` takes a sample). Each reader holds one part in memory (182 MB of the published train part).
    """

    path: str = Field("kuzushiji49", min_length=1)
    """Below the data root."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        files = [f"k49-{part}-{kind}.npz" for part in PARTS for kind in ("imgs", "labels")]
        for name in (*files, NAMES):
            if not (top / name).exists():
                raise missing(top / name, f"the published files k49-*.npz and {NAMES}")
        if not top.local:
            raise DataError(f"{top}: NumPy files are read from a disk; copy them to one")
        tables = {part: _table(Path(top.path), part) for part in PARTS}
        classes = _classes(top / NAMES)
        return Source(
            classes,
            arrange(tables["train"], None, tables["test"]),
            signature(["kuzushiji49", *classes, *((part, table.count) for part, table in tables.items())]),
            Findings(origins({part: f"k49-{part}-imgs.npz" for part in PARTS}), ignored(beside(top, [*files, NAMES]))),
        )


@dataclass(frozen=True, slots=True)
class NumpyFiles:
    """The images and labels of one part."""

    folder: str
    part: str

    def path(self, kind: str) -> Path:
        """The file of its images (`imgs`) or labels (`labels`)."""
        return Path(self.folder) / f"k49-{self.part}-{kind}.npz"

    def pixels(self) -> NDArray[np.uint8]:
        return _arrays(self)[0]

    def labels(self) -> NDArray[np.int64]:
        return _arrays(self)[1]


def _table(folder: Path, part: str) -> PixelTable:
    arrays = NumpyFiles(str(folder), part)
    labels_N = arrays.labels()
    states = [(path.name, path.stat()) for path in map(arrays.path, ("imgs", "labels"))]
    files = tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
    return PixelTable(arrays, len(labels_N), files, signature([labels_N.tobytes()]))


def _classes(place: Place) -> tuple[str, ...]:
    """The characters, in the order of their class numbers."""
    columns = read_columns(place, ["index", "char"])
    if columns["index"] != [str(number) for number in range(NUM_CLASSES)]:
        raise DataError(f"{place}: its column 'index' must count the {NUM_CLASSES} classes from 0; get it again")
    return tuple(columns["char"])


@cache
def _arrays(files: NumpyFiles) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 28, 28) and labels (N,)."""
    pixels, labels = (_array(files.path(kind)) for kind in ("imgs", "labels"))
    where = f"{files.path('imgs')} and {files.path('labels').name}"
    check_pixels(pixels, labels, where, channels=1, num_classes=NUM_CLASSES)
    return pixels, labels.astype(np.int64)


def _array(path: Path) -> Any:  # noqa: ANN401  it is checked by whom it goes to
    try:
        with np.load(path, allow_pickle=False) as content:
            return content["arr_0"]
    except Exception as error:  # what NumPy, zipfile and zlib raise for a spoiled archive has no common class
        raise DataError(f"{path}: {error}; it is not the published file, get it again") from error

"""CIFAR-10-C and CIFAR-100-C (Hendrycks and Dietterich 2019): the authors' NumPy files beside the data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.datasets import Source, Split, signature
from labelbench_ray.datasets.files.pixel_arrays import PixelTable, check_pixels
from labelbench_ray.datasets.files.places import Place, missing
from labelbench_ray.datasets.shifts.published import SEVERITIES, PublishedCopies
from labelbench_ray.errors import DataError
from labelbench_ray.plugins import Part

LABELS = "labels.npy"


class CifarC(PublishedCopies):
    """`<path>/<corruption>.npy` (N, 32, 32, 3) and `labels.npy` (N,): five severities, one after the other.

    The published files have 10,000 rows a severity: the official test images, those in `validation` and in `test`
    alike, and none of the pool's.
    """

    dataset: Part = Part(name="cifar10")
    """The data set; `cifar100` for CIFAR-100-C."""
    path: str = Field("CIFAR-10-C", min_length=1)
    """Below the data root."""

    def copies(self, top: Place, name: str, source: Source) -> Mapping[int, Split]:
        for file in (f"{name}.npy", LABELS):
            if not (top / file).exists():
                raise missing(top / file, "the published files <corruption>.npy and labels.npy")
        if not top.local:
            raise DataError(f"{top}: NumPy files are read from a disk; copy them to one")
        arrays = CorruptedArrays(top.path, name, len(source.classes))
        labels_N = arrays.labels()
        if len(labels_N) % SEVERITIES:
            raise DataError(
                f"{top / LABELS}: {len(labels_N):,} rows are not {SEVERITIES} severities of as many rows; get the "
                "published files again"
            )
        states = [(file, (Path(top.path) / file).stat()) for file in (f"{name}.npy", LABELS)]
        files = tuple((file, state.st_size, state.st_mtime_ns) for file, state in states)
        table, each = PixelTable(arrays, len(labels_N), files, _labels_hash(labels_N)), len(labels_N) // SEVERITIES
        return {severity: Split(table, range((severity - 1) * each, severity * each)) for severity in self.severities}


@dataclass(frozen=True, slots=True)
class CorruptedArrays:
    """The images of one corruption, mapped into memory, and the labels that all corruptions share."""

    folder: str
    part: str
    num_classes: int

    def pixels(self) -> NDArray[np.uint8]:
        return _arrays(self)[0]

    def labels(self) -> NDArray[np.int64]:
        return _arrays(self)[1]


@cache
def _arrays(files: CorruptedArrays) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 32, 32, 3) and labels (N,)."""
    path = Path(files.folder) / f"{files.part}.npy"
    pixels, labels = _array(path), _array(path.with_name(LABELS))
    check_pixels(pixels, labels, f"{path} and {LABELS}", channels=3, num_classes=files.num_classes)
    return pixels, np.asarray(labels, np.int64)


def _array(path: Path) -> Any:  # noqa: ANN401  it is checked by whom it goes to
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # what NumPy raises for a spoiled header has no common class
        raise DataError(f"{path}: {error}; it is not the published file, get it again") from error


def _labels_hash(labels_N: NDArray[np.int64]) -> str:
    return signature([labels_N.tobytes()])

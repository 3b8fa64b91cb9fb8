"""CIFAR-10 as torchvision keeps it: pickled batches, whose MD5 torchvision checks before it unpickles them."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.datasets import Files, Records, Rows, Table
from labelbench_ray.errors import DataError

FOLDER = "cifar-10-batches-py"


@dataclass(frozen=True, slots=True)
class BatchesTable:
    """One official part; pixels become PNG bytes, as from any other source."""

    root: str
    part: str
    count: int
    files: tuple[tuple[str, int], ...]
    """Names and sizes."""

    def __len__(self) -> int:
        return self.count

    def read(self, rows: Rows) -> Records:
        batches = _batches(self.root, self.part)
        payloads = [_png(batches.data[row]) for row in rows]
        return Records(self.row_ids(rows).to_pylist(), payloads, self.labels(rows))

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        return pa.array([f"{self.part}/{row:08d}" for row in rows], pa.large_string())

    def found_files(self) -> Files:
        """When they were modified does not matter: torchvision has compared their MD5 with the published one."""
        names, sizes = zip(*self.files, strict=True)
        return Files(pa.array(names, pa.large_string()), np.array(sizes, np.int64), np.zeros(len(sizes), np.int64))

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return np.zeros(len(rows), np.int64)

    def labels_hash(self) -> str:
        return f"MD5 as published, {self.part}"

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        labels_N: NDArray[np.int64] = np.asarray(_batches(self.root, self.part).targets, dtype=np.int64)
        return labels_N[np.asarray(rows, dtype=np.int64)]


def open_batches(root: Path, *, train: bool) -> tuple[Table, list[object]]:
    """The table of the official train or test part and what identifies it.

    Raises:
        DataError: a file is missing, or is not the one that CIFAR-10's authors published.
    """
    part = "train" if train else "test"
    count = len(_batches(str(root), part).targets)
    files = tuple((file.name, file.stat().st_size) for file in sorted((root / FOLDER).glob("*_batch*")))
    return BatchesTable(str(root), part, count, files), [part, count, *files]


@cache
def _batches(root: str, part: str) -> Any:  # noqa: ANN401  torchvision has no type information
    # Imported here: torchvision brings torch, which every reader of parquet or folders would pay for.
    from torchvision.datasets import CIFAR10

    try:
        return CIFAR10(root, train=part == "train", download=False)
    except RuntimeError as error:
        raise DataError(f"{root}/{FOLDER}: {error}; extract the published cifar-10-python.tar.gz again") from error


def _png(pixels_HWC: Any) -> bytes:  # noqa: ANN401
    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()

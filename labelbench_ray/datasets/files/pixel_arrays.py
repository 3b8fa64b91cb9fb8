"""Images that their authors publish as one array a part: each becomes PNG bytes, as from any other source."""

import io
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.datasets import Files, Records, Rows
from labelbench_ray.errors import DataError


class PixelArrays(Protocol):
    """One part of such a data set. Small and hashable: it travels to readers, which load the arrays once each."""

    @property
    def part(self) -> str:
        """The first step of its rows' ids."""
        ...

    def pixels(self) -> NDArray[np.uint8]:
        """(N, height, width) or (N, height, width, 3)."""
        ...

    def labels(self) -> NDArray[np.int64]:
        """(N,) class numbers."""
        ...


@dataclass(frozen=True, slots=True)
class PixelTable:
    """The rows of one part."""

    arrays: PixelArrays
    count: int
    files: tuple[tuple[str, int, int], ...]
    """Names, sizes in bytes, and when they were modified; 0 where their content was compared with what is published."""
    identity: str
    """What stands for all labels in a signature."""

    def __len__(self) -> int:
        return self.count

    def read(self, rows: Rows) -> Records:
        pixels = self.arrays.pixels()
        return Records(self.row_ids(rows).to_pylist(), [png(pixels[row]) for row in rows], self.labels(rows))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        return self.arrays.labels()[np.asarray(rows, dtype=np.int64)]

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        return pa.array([f"{self.arrays.part}/{row:08d}" for row in rows], pa.large_string())

    def found_files(self) -> Files:
        names, sizes, modified = zip(*self.files, strict=True)
        return Files(pa.array(names, pa.large_string()), np.array(sizes, np.int64), np.array(modified, np.int64))

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return np.zeros(len(rows), np.int64)

    def labels_hash(self) -> str:
        return self.identity


def check_pixels(pixels: Any, labels: Any, where: str, *, channels: int, num_classes: int) -> None:  # noqa: ANN401
    """Refuse arrays that are not images and their class numbers; `DataError` names the files, the value, the rule."""
    shape = ("rows", "height", "width", "3")[: 3 if channels == 1 else 4]
    wanted = f"uint8 images ({', '.join(shape)}) and one label a row are needed; get the published files again"
    right = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == len(shape)
    if not right or (channels == 3 and pixels.shape[3] != 3):
        raise DataError(f"{where}: holds {_described(pixels)}; {wanted}")
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        raise DataError(f"{where}: its labels are {_described(labels)} for {len(pixels)} images; {wanted}")
    wrong_N = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong_N):
        row = int(wrong_N[0])
        raise DataError(f"{where}, row {row}: the label {labels[row]} is not one of {num_classes} classes; {wanted}")


def png(pixels_HWC: Any) -> bytes:  # noqa: ANN401
    """An image's pixels as PNG bytes, lightly compressed."""
    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _described(value: object) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__

"""Street View House Numbers (Netzer et al. 2011), cropped digits: the authors' MATLAB files."""

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
from labelbench_ray.datasets.files.pixel_arrays import PixelTable, check_pixels
from labelbench_ray.datasets.files.places import locate, missing
from labelbench_ray.errors import DataError

CLASSES: Final = tuple("0123456789")
FILES: Final = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


class Svhn(Dataset):
    """`<path>/train_32x32.mat` and `test_32x32.mat`; the test set halved into validation and test, as in LabelBench.

    The files state the digit 0 as 10. Each reader holds one part in memory (225 MB of the published train part).
    """

    path: str = Field("svhn", min_length=1)
    """Below the data root."""

    def load(self, root: Path) -> Source:
        top = locate(root, self.path)
        for name in FILES.values():
            if not (top / name).exists():
                raise missing(top / name, " and ".join(FILES.values()))
        if not top.local:
            raise DataError(f"{top}: MATLAB files are read from a disk; copy them to one")
        tables = {part: _table(Path(top.path), part) for part in FILES}
        return Source(
            CLASSES,
            arrange(tables["train"], None, tables["test"]),
            signature(["svhn", *((table.arrays.part, table.count, table.files[0][1]) for table in tables.values())]),
            Findings(origins(FILES), ignored(beside(top, FILES.values()))),
        )


@dataclass(frozen=True, slots=True)
class MatFile:
    """One part."""

    path: str
    part: str

    def pixels(self) -> NDArray[np.uint8]:
        return _arrays(self.path)[0]

    def labels(self) -> NDArray[np.int64]:
        return _arrays(self.path)[1]


def _table(folder: Path, part: str) -> PixelTable:
    path = folder / FILES[part]
    arrays, state = MatFile(str(path), part), path.stat()
    labels_N = arrays.labels()
    return PixelTable(
        arrays, len(labels_N), ((path.name, state.st_size, state.st_mtime_ns),), signature([labels_N.tobytes()])
    )


@cache
def _arrays(path: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 32, 32, 3) and labels (N,)."""
    from scipy.io import loadmat  # takes .3 s to import, which only readers of these files pay for

    try:
        content: dict[str, Any] = loadmat(path, variable_names=["X", "y"])
    except Exception as error:  # what it raises for a file that is cut off has no common class
        raise DataError(f"{path}: {error}; it is not a MATLAB file, get the published one again") from error
    if lost := sorted({"X", "y"} - content.keys()):
        raise DataError(f"{path}: has no variable {lost[0]!r}; get the published file again")
    pixels_HWCN, labels = content["X"], np.asarray(content["y"]).ravel()
    if pixels_HWCN.ndim != 4:
        raise DataError(f"{path}: X has the shape {pixels_HWCN.shape}; (32, 32, 3, images) is needed")
    pixels_NHWC = np.ascontiguousarray(np.moveaxis(pixels_HWCN, 3, 0))
    labels = np.where(labels == 10, 0, labels) if labels.dtype.kind in "iu" else labels
    check_pixels(pixels_NHWC, labels, path, channels=3, num_classes=len(CLASSES))
    return pixels_NHWC, labels.astype(np.int64)

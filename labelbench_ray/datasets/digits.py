"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels that ship with it, so nothing is downloaded."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from labelbench_ray.datasets import SPLIT_SEED, Dataset, Records, Rows, Source, Split, signature


class Digits(Dataset):
    """Split 70 / 10 / 20 into pool, validation and test, stratified by class."""

    def load(self, root: Path) -> Source:
        _, labels_N = _digits()
        pool, rest = train_test_split(
            np.arange(len(labels_N)), train_size=0.7, random_state=SPLIT_SEED, stratify=labels_N
        )
        validation, test = train_test_split(rest, train_size=1 / 3, random_state=SPLIT_SEED, stratify=labels_N[rest])
        rows = {"pool": pool, "validation": validation, "test": test}
        table = DigitsTable()
        return Source(
            classes=tuple(str(digit) for digit in range(10)),
            splits={name: Split(table, np.sort(part)) for name, part in rows.items()},
            signature=signature(["digits", len(labels_N)]),
        )


@dataclass(frozen=True, slots=True)
class DigitsTable:
    """All rows; images become PNG bytes, as from any other source."""

    def __len__(self) -> int:
        return len(_digits()[1])

    def read(self, rows: Rows) -> Records:
        images_NHW, _ = _digits()
        return Records(
            [f"digits/{row:04d}" for row in rows], [_png(images_NHW[row]) for row in rows], self.labels(rows)
        )

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return _digits()[1][np.asarray(rows, dtype=np.int64)]


@cache
def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    digits = load_digits()
    # 17 levels of gray, 0 .. 16, spread over a byte.
    return (digits.images * (255 / 16)).round().astype(np.uint8), digits.target.astype(np.int64)


def _png(image_HW: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HW).save(buffer, format="PNG")
    return buffer.getvalue()

"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels that ship with it, so nothing is downloaded."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from labelbench_ray.datasets import SPLIT_SEED, Dataset, Groups, Records, Rows, Source, Split, signature

ANGLES: Final = (0, 90, 180, 270)


class Digits(Dataset):
    """Split 70 / 10 / 20 into pool, validation and test, stratified by class."""

    rotated_test: bool = Field(default=False, exclude_if=lambda rotated: not rotated)
    """Add the evaluation split `test_rotated`: every test row rotated by 0, 90, 180 and 270 degrees, the angle as its
    group. Part of the recipe only if it is on."""

    def load(self, root: Path) -> Source:
        from sklearn.model_selection import train_test_split

        _, labels_N = digit_images()
        pool, rest = train_test_split(
            np.arange(len(labels_N)), train_size=0.7, random_state=SPLIT_SEED, stratify=labels_N
        )
        validation, test = train_test_split(rest, train_size=1 / 3, random_state=SPLIT_SEED, stratify=labels_N[rest])
        rows = {"pool": pool, "validation": validation, "test": test}
        table = DigitsTable()
        splits = {name: Split(table, np.sort(part)) for name, part in rows.items()}
        return Source(
            classes=tuple(str(digit) for digit in range(10)),
            splits=splits | ({"test_rotated": rotated(splits["test"].rows)} if self.rotated_test else {}),
            signature=signature(["digits", len(labels_N)]),
        )


@dataclass(frozen=True, slots=True)
class DigitsTable:
    """All rows; images become PNG bytes, as from any other source."""

    def __len__(self) -> int:
        return len(digit_images()[1])

    def read(self, rows: Rows) -> Records:
        images_NHW, _ = digit_images()
        return Records([f"digits/{row:04d}" for row in rows], [png(images_NHW[row]) for row in rows], self.labels(rows))

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        return digit_images()[1][np.asarray(rows, dtype=np.int64)]


@dataclass(frozen=True, slots=True)
class RotatedDigitsTable:
    """Every digit at each of the angles, one angle after the other."""

    def __len__(self) -> int:
        return len(ANGLES) * len(digit_images()[1])

    def read(self, rows: Rows) -> Records:
        images_NHW, _ = digit_images()
        turned = [divmod(int(row), len(images_NHW)) for row in rows]
        return Records(
            [f"digits/{row:04d}/{ANGLES[turns]:03d}" for turns, row in turned],
            [png(np.rot90(images_NHW[row], turns)) for turns, row in turned],
            self.labels(rows),
        )

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows."""
        _, labels_N = digit_images()
        return labels_N[np.asarray(rows, dtype=np.int64) % len(labels_N)]


def rotated(rows: Rows) -> Split:
    """These digits at every angle, with the angle as group."""
    count = len(digit_images()[1])
    turned = np.concatenate([np.asarray(rows, np.int64) + turns * count for turns in range(len(ANGLES))])
    return Split(RotatedDigitsTable(), turned, Groups(turned // count, tuple(f"{angle} degrees" for angle in ANGLES)))


@cache
def digit_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 8, 8) images and (N,) digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    # 17 levels of gray, 0 .. 16, spread over a byte.
    return (digits.images * (255 / 16)).round().astype(np.uint8), digits.target.astype(np.int64)


def png(image_HW: NDArray[np.uint8]) -> bytes:
    """A gray image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW).save(buffer, format="PNG")
    return buffer.getvalue()

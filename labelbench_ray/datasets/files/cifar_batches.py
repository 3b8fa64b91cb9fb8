"""CIFAR as torchvision keeps it: pickled batches, whose MD5 torchvision checks before it unpickles them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Table
from labelbench_ray.datasets.files.pixel_arrays import PixelTable
from labelbench_ray.errors import DataError

Kind = Literal["CIFAR10", "CIFAR100"]
FOLDERS: Final = {"CIFAR10": "cifar-10-batches-py", "CIFAR100": "cifar-100-python"}
BATCHES: Final = {"CIFAR10": "*_batch*", "CIFAR100": "t[er]*"}


@dataclass(frozen=True, slots=True)
class Batches:
    """The official train or test part."""

    kind: Kind
    root: str
    part: str

    def pixels(self) -> NDArray[np.uint8]:
        return np.asarray(_batches(self.kind, self.root, self.part).data, np.uint8)

    def labels(self) -> NDArray[np.int64]:
        return np.asarray(_batches(self.kind, self.root, self.part).targets, np.int64)


def open_batches(root: Path, part: Literal["train", "test"], kind: Kind = "CIFAR10") -> tuple[Table, list[object]]:
    """The table of an official part and what identifies it.

    Raises:
        DataError: a file is missing, or is not the one that CIFAR's authors published.
    """
    batches = Batches(kind, str(root), part)
    count = len(batches.labels())
    found = ((file.name, file.stat().st_size) for file in sorted((root / FOLDERS[kind]).glob(BATCHES[kind])))
    files = tuple(found)
    table = PixelTable(batches, count, tuple((*file, 0) for file in files), f"MD5 as published, {part}")
    return table, [part, count, *files]


def class_names(root: Path, kind: Kind) -> tuple[str, ...]:
    """The class names that lie beside the batches; raises as `open_batches`."""
    return tuple(_batches(kind, str(root), "test").classes)


@cache
def _batches(kind: Kind, root: str, part: str) -> Any:  # noqa: ANN401  torchvision has no type information
    # Imported here: torchvision brings torch, which every reader of parquet or folders would pay for.
    from torchvision import datasets

    try:
        return getattr(datasets, kind)(root, train=part == "train", download=False)
    except RuntimeError as error:
        archive = f"cifar-{kind.removeprefix('CIFAR')}-python.tar.gz"
        raise DataError(f"{root}/{FOLDERS[kind]}: {error}; extract the published {archive} again") from error

"""Arrays on disk as they were written: memory-mapped, read-only, of the shape and type that they must have."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from labelbench_ray.errors import StoreError

ROOM = "or use another --store (of a remote one: set LABELBENCH_CACHE to a folder on a larger disk)"


def check_room(folder: Path, needed: int, mend: str) -> None:
    """Refuse arrays for which the disk has no room: a memory map that outgrows it kills the process without a word.

    Raises:
        StoreError: says what is needed and what is free.
    """
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise StoreError(f"{folder}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; make room, {mend}")


def mapped(path: Path, kind: DTypeLike, shape: tuple[int, ...], mend: str) -> NDArray[Any]:
    """The array in a `.npy` file; `StoreError` with the mend for one that is missing, cut short or another."""
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header ends in errors of the tokenizer, the compiler and mmap alike
        raise StoreError(f"{path}: {type(error).__name__}: {error}; {mend}") from error
    if array.dtype != kind or array.shape != shape:
        raise StoreError(f"{path}: {array.dtype} of shape {array.shape}, must be {np.dtype(kind)} of {shape}; {mend}")
    return array

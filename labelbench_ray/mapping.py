"""Arrays on disk as they were written: memory-mapped, read-only, of the shape and type that they must have."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from labelbench_ray.errors import StoreError


def mapped(path: Path, kind: DTypeLike, shape: tuple[int, ...], mend: str) -> NDArray[Any]:
    """The array in a `.npy` file; `StoreError` with the mend for one that is missing, cut short or another."""
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header ends in errors of the tokenizer, the compiler and mmap alike
        raise StoreError(f"{path}: {type(error).__name__}: {error}; {mend}") from error
    if array.dtype != kind or array.shape != shape:
        raise StoreError(f"{path}: {array.dtype} of shape {array.shape}, must be {np.dtype(kind)} of {shape}; {mend}")
    return array

"""Arrays on disk as they were written: memory-mapped, read-only, of the shape and type that they must have."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from labelbench_ray.errors import StoreError
from labelbench_ray.storage.locks import locked

ROOM = "or use another --store (of a remote one: set LABELBENCH_CACHE to a folder on a larger disk)"


def check_room(folder: Path, needed: int, hint: str) -> None:
    """Refuse arrays for which the disk has no room: a memory map that outgrows it kills the process without a word.

    Raises:
        StoreError: says what is needed and what is free.
    """
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise StoreError(f"{folder}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; make room, {hint}")


def make_once(path: Path, make: Callable[[Path], None]) -> None:
    """Have a file or a folder made by the first process of a machine that needs it; the others wait, and use it.

    Args:
        path: alone in its folder with what is made under the same lock.
        make: makes it under the path that it is given, from which it is renamed.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / "lock"):
        if path.exists():
            return
        for draft in path.parent.glob(".*.draft"):  # of killed processes: we hold the lock
            _delete(draft)
        draft = path.with_name(f".{path.name}.draft")
        try:
            make(draft)
            draft.rename(path)
        finally:
            _delete(draft)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def mapped(path: Path, kind: DTypeLike, shape: tuple[int, ...], hint: str) -> NDArray[Any]:
    """The array in a `.npy` file; `StoreError` with the hint for one that is missing, cut short or another."""
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header ends in errors of the tokenizer, the compiler and mmap alike
        raise StoreError(f"{path}: {type(error).__name__}: {error}; {hint}") from error
    if array.dtype != kind or array.shape != shape:
        raise StoreError(f"{path}: {array.dtype} of shape {array.shape}, must be {np.dtype(kind)} of {shape}; {hint}")
    return array

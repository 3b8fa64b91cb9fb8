"""Arrays on disk as they were written: memory-mapped, read-only, of the shape and type that they must have."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from labelbench_ray.errors import StoreError
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.machine_cache import make_room, use

ELSEWHERE = "or use another --store (of a remote one: set LABELBENCH_CACHE to a folder on a larger disk)"


def check_room(folder: Path, needed: int, hint: str) -> None:
    """Refuse arrays that do not fit on the disk: a memory map that outgrows it kills the process silently.

    What this machine keeps of remote stores makes room first.

    Raises:
        StoreError: states what is needed and what is free.
    """
    make_room(folder, needed)
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise StoreError(f"{folder}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; make room, {hint}")


def make_once(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file or a folder once on each machine: the first process that needs it makes it, the others wait.

    Args:
        path: lies in a folder of its own, which holds the lock.
        make: makes it at the path of a draft, which is then renamed.
    """
    use(path)
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

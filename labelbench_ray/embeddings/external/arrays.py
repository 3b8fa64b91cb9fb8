"""What a machine keeps of a store that names external files: labels, row numbers and the standardization; no row.

<store>/<key>/arrays/<content>/pool-labels.npy, pool-first.npy    the first row of a split that is consecutive rows,
                               pool-rows.npy                      else (-1) the number of each of its rows
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.embeddings.external.files import external_rows
from labelbench_ray.embeddings.external.overlaps import SplitRows
from labelbench_ray.embeddings.external.windows import read_window
from labelbench_ray.embeddings.manifests import Manifest
from labelbench_ray.embeddings.shards import ShardEntry, ShardRows
from labelbench_ray.pool.gathered import GatheredRows
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.storage.memory_maps import mapped
from labelbench_ray.types import Labels


def save_external(directory: Path, manifest: Manifest, split: str, draft: Path) -> Labels:
    """Write the row numbers of a split; returns its labels.

    Raises:
        StoreError: a window is damaged.
    """
    if not manifest.count(split):
        return np.empty(0, np.int64)
    array = manifest.array_of(split)
    read = [read_window(directory, entry, array.content) for entry in manifest.shards.split(split)]
    _save_numbers(draft, split, np.concatenate([window.rows_B for window in read]))
    return np.concatenate([window.labels_B for window in read])


def save_arrays(splits: Mapping[str, SplitRows], standardization: Standardization, draft: Path) -> None:
    """Write what a machine keeps, as the process that makes the store has it; no window is read."""
    draft.mkdir()
    for split, rows in splits.items():
        np.save(draft / f"{split}-labels.npy", rows.labels_N)
        if len(rows.rows_N):
            _save_numbers(draft, split, rows.rows_N)
    np.save(draft / "mean.npy", standardization.mean_D)
    np.save(draft / "scale.npy", standardization.scale_D)


def _save_numbers(draft: Path, split: str, rows_N: NDArray[np.int64]) -> None:
    is_stretch = np.array_equal(rows_N, np.arange(rows_N[0], rows_N[0] + len(rows_N)))
    np.save(draft / f"{split}-first.npy", np.array([rows_N[0] if is_stretch else -1]))
    if not is_stretch:
        np.save(draft / f"{split}-rows.npy", rows_N)


def mapped_external(directory: Path, manifest: Manifest, split: str, folder: Path) -> NDArray[np.float16]:
    """(N, D) rows of a split, mapped where they lie; `GatheredRows` unless they are consecutive.

    Raises:
        StoreError: a file is gone or not what the manifest states, or the arrays in `folder` are damaged.
    """
    rows, hint = manifest.count(split), f"delete {folder} to have it made again"
    if not rows:
        return np.empty((0, manifest.dimensions), np.float16)
    array_MD = external_rows(directory, manifest.array_of(split), manifest.dimensions)
    (first,) = mapped(folder / f"{split}-first.npy", np.int64, (1,), hint).tolist()
    if first >= 0:
        return array_MD[first : first + rows]
    rows_N = mapped(folder / f"{split}-rows.npy", np.int64, (rows,), hint)
    return cast("NDArray[np.float16]", GatheredRows(array_MD, rows_N))


def read_external(directory: Path, manifest: Manifest, entry: ShardEntry) -> ShardRows:
    """The rows of a window with their embeddings; `StoreError` where its content is not what the manifest states."""
    array = manifest.array_of(entry.split)
    window = read_window(directory, entry, array.content)
    rows_BD = external_rows(directory, array, manifest.dimensions)[window.rows_B]
    return ShardRows(window.row_ids.to_pylist(), window.labels_B, rows_BD, window.rejects)

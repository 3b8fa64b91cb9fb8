"""Keys of rows that are repeated: found by 64-bit hashes, and confirmed by the keys themselves.

The keys of 100 million rows take several gigabytes, their hashes 0.8 GB. Rows whose hashes are equal are read again, so
that a collision of hashes is not taken for a repeated key.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.embeddings.shards import HINT, ShardEntry, read_keys
from labelbench_ray.errors import StoreError
from labelbench_ray.storage.parallel import read_ahead

SUSPECTS: Final = 100_000
"""Repeated hashes whose keys are compared at a time."""


def first_repeated_key(directory: Path, entries: Sequence[ShardEntry]) -> str | None:
    """The first key that two rows of these shards have; None if all keys are distinct. Reads the keys alone.

    Raises:
        StoreError: a shard is missing, damaged or has another number of rows.
    """
    suspects = _repeated(_all_hashes(directory, entries))
    while len(suspects):
        counts, compared = _counts(directory, entries, suspects)
        for row_id, count in counts.items():
            if count > 1:
                return row_id
        suspects = np.setdiff1d(suspects, compared, assume_unique=True)
    return None


def _all_hashes(directory: Path, entries: Sequence[ShardEntry]) -> NDArray[np.int64]:
    """The hashes of the keys of all rows."""
    hashes_N = np.empty(sum(entry.rows for entry in entries), np.int64)
    start = 0
    for row_ids in read_ahead(partial(_row_ids, directory), entries):
        hashes_N[start : start + len(row_ids)] = _hashes(row_ids)
        start += len(row_ids)
    return hashes_N


def _repeated(hashes_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """The hashes that occur several times, ascending; sorts the array in place."""
    hashes_N.sort()
    return np.unique(hashes_N[1:][hashes_N[1:] == hashes_N[:-1]])


def _counts(
    directory: Path, entries: Sequence[ShardEntry], suspects: NDArray[np.int64]
) -> tuple[Counter[str], NDArray[np.int64]]:
    """How often each key occurs whose hash is among the first `SUSPECTS` of the suspects, in the order of the rows.

    Returns:
        The counts, and the hashes whose keys were counted.
    """
    counts: Counter[str] = Counter()
    compared: set[int] = set()
    for row_ids in read_ahead(partial(_row_ids, directory), entries):
        hashes_B = _hashes(row_ids)
        for place in np.flatnonzero(np.isin(hashes_B, suspects)).tolist():
            hashed = int(hashes_B[place])
            if hashed in compared or len(compared) < SUSPECTS:
                compared.add(hashed)
                counts[row_ids[place]] += 1
    return counts, np.fromiter(compared, np.int64, len(compared))


def _row_ids(directory: Path, entry: ShardEntry) -> list[str]:
    path = directory / entry.file
    row_ids = read_keys(path).row_ids
    if len(row_ids) != entry.rows:
        raise StoreError(f"{path}: {len(row_ids)} rows, {entry.rows} were embedded; {HINT}")
    return row_ids


def _hashes(row_ids: Sequence[str]) -> NDArray[np.int64]:
    """Python's own hashes: 64 bits, keyed anew in every process, and stored nowhere."""
    return np.fromiter(map(hash, row_ids), np.int64, len(row_ids))

"""A stretch of a store's pool as its scorer holds it: from the machine's arrays, or else from its own shards alone.

<store>/<key>/arrays/<content>.<first shard>-<last shard>/    pool.npy and facts of these shards; made once on each
                                                              machine (of a remote store: in the machine's cache)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.embeddings.footers import check_counts
from labelbench_ray.embeddings.shards import ShardEntry
from labelbench_ray.embeddings.store import EmbeddingStore, write_array
from labelbench_ray.pool.facts import Facts
from labelbench_ray.storage.memory_maps import ELSEWHERE, check_room, make_once, mapped


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Consecutive rows of a pool: embeddings (S, D) float16 and facts (S,) float64, memory-mapped."""

    embeddings_SD: NDArray[np.float16]
    facts: Facts


def pool_stretch(store: EmbeddingStore, start: int, stop: int) -> Stretch:
    """Rows start .. stop-1 of the pool, by pool id.

    Where the store's arrays are on this machine, no shard is read; otherwise those that hold these rows, once on each
    machine, and no label is kept.

    Raises:
        StoreError: a shard is damaged, or the disk has no room.
    """
    if store.has_arrays or store.manifest.external:  # the rows of external files are mapped, not copied
        pool = store.arrays().pool
        return Stretch(pool.embeddings_ND[start:stop], pool.facts.take(slice(start, stop)))
    first, last, before = _shards(store, start, stop)
    entries = store.manifest.shards.split("pool")[first : last + 1]
    folder = store.arrays_folder.with_name(f"{store.manifest.content}.{first}-{last}")
    make_once(folder, lambda draft: _make(store, entries, folder, draft))
    arrays, rows = _mapped(store, entries, folder), slice(start - before, stop - before)
    return Stretch(arrays.embeddings_SD[rows], arrays.facts.take(rows))


def _shards(store: EmbeddingStore, start: int, stop: int) -> tuple[int, int, int]:
    """The first and the last shard that hold these rows, and the number of rows before them."""
    rows_S: NDArray[np.int64] = store.manifest.shards.split("pool").columns["rows"].to_numpy()
    ends_S = np.cumsum(rows_S)
    first, last = np.searchsorted(ends_S, [start, stop - 1], side="right").tolist()
    return first, last, int(ends_S[first] - rows_S[first])


def _make(store: EmbeddingStore, entries: Sequence[ShardEntry], folder: Path, draft: Path) -> None:
    draft.mkdir()
    check_counts(store.directory, entries)
    width = store.manifest.dimensions
    check_room(folder, _num_rows(entries) * (2 * width + 8 * len(store.manifest.facts)), ELSEWHERE)
    write_array(draft / "pool.npy", store.directory, entries, (width,), store.manifest.rebuilt_hashes)
    for name, values_S in store.fact_columns(entries).items():
        np.save(draft / f"pool-fact-{name}.npy", values_S)


def _mapped(store: EmbeddingStore, entries: Sequence[ShardEntry], folder: Path) -> Stretch:
    rows, hint = _num_rows(entries), f"delete {folder} to have it made again"
    names = sorted(store.manifest.facts)
    facts: dict[str, Any] = {
        name: mapped(folder / f"pool-fact-{name}.npy", np.float64, (rows,), hint) for name in names
    }
    return Stretch(mapped(folder / "pool.npy", np.float16, (rows, store.manifest.dimensions), hint), Facts(facts))


def _num_rows(entries: Sequence[ShardEntry]) -> int:
    return sum(entry.rows for entry in entries)

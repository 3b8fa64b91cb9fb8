"""Near-duplicates: rows whose stored embeddings have nearly the same direction, counted for stores that are not too
large, and removed from the pool with `drop_near_duplicates`.

How alike two rows with a cosine of 0.98 are depends on the encoder: a strong one gives it to copies that were cropped,
compressed or reworded, a weak one such as `pixels` to any two images of one shape.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from labelbench_ray.embeddings.contents import HASH_BYTES
from labelbench_ray.embeddings.near_duplicates.pairs import Directions, Floats, basis_of, directions, near_pairs
from labelbench_ray.embeddings.shards import ShardEntry, ShardRows, load_shard
from labelbench_ray.plugins import Frozen

COSINE: Final = 0.98
"""From which rows are counted as near-duplicates."""
MOST_PAIRS: Final = 2 * 10**9
"""Of two rows that are compared to count: a pool of 50,000 beside 10,000 others, some ten seconds of one core."""
SAMPLE: Final = 4096
"""Rows that the basis is made from."""
NEAR: Final = "is nearly the same as the "


class NearRows(Frozen):
    """Rows of a held-out split that have a near-duplicate in the pool."""

    split: str
    rows: NonNegativeInt


class NearDuplicates(Frozen):
    """The near-duplicates of a store, exact ones included."""

    cosine: float
    held_out: tuple[NearRows, ...] = ()
    pool: NonNegativeInt = 0
    """Rows of the pool that nearly repeat an earlier one."""
    exact: NonNegativeInt = 0
    """Those of them with the same content."""
    removed: NonNegativeInt = Field(default=0, exclude_if=lambda removed: not removed)
    """Rows of the pool that were removed as near-duplicates."""

    def __str__(self) -> str:
        """In words; "" if there are none."""
        found = [
            f"{each.rows:,} {each.split} row{'s have' if each.rows > 1 else ' has'} a near-duplicate in the pool"
            for each in self.held_out
        ]
        if self.pool:
            exact = f", {self.exact:,} of them exactly" if self.exact else ""
            found.append(f"{self.pool:,} pool row{'s' if self.pool > 1 else ''} nearly repeat an earlier one{exact}")
        counted = [f"{'; '.join(found)} (cosine of embeddings at least {self.cosine})"] if found else []
        were = "rows were" if self.removed > 1 else "row was"
        removed = [f"{self.removed:,} pool {were} removed as near-duplicates (drop_near_duplicates)"]
        return "; ".join([*counted, *(removed if self.removed else [])])


@dataclass(frozen=True)
class StoredRows:
    """The rows of one split of a store, read shard by shard."""

    directory: Path
    entries: tuple[ShardEntry, ...]

    @classmethod
    def of(cls, directory: Path, entries: Sequence[ShardEntry], split: str) -> "StoredRows":
        """Those of this split."""
        return cls(directory, tuple(entry for entry in entries if entry.split == split and entry.rows))

    def __len__(self) -> int:
        return sum(entry.rows for entry in self.entries)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The number of the first row of each shard."""
        return np.cumsum([0, *(entry.rows for entry in self.entries)])[:-1]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The embeddings of each shard."""
        return (load_shard(self.directory / entry.file).rows.embeddings_BD for entry in self.entries)

    def sample(self) -> NDArray[Any]:
        """The embeddings of shards from all over the split, `SAMPLE` rows or somewhat more."""
        step = max(1, len(self) // SAMPLE)
        chosen = self.entries[::step]
        return np.concatenate([load_shard(self.directory / entry.file).rows.embeddings_BD for entry in chosen])

    def embeddings(self, rows_R: NDArray[np.int64]) -> NDArray[Any]:
        """(R, D) of ascending row numbers."""
        return np.concatenate([shard.embeddings_BD[places_B] for shard, places_B in self._shards(rows_R)])

    def row_ids(self, rows_R: NDArray[np.int64]) -> list[str]:
        """The keys of ascending row numbers."""
        return [shard.row_ids[place] for shard, places_B in self._shards(rows_R) for place in places_B.tolist()]

    def contents(self, rows_R: NDArray[np.int64]) -> list[bytes]:
        """Hashes of the content of ascending row numbers; empty where shards do not state them."""
        found: list[bytes] = []
        for shard, places_B in self._shards(rows_R):
            hashes = (shard.contents.folded_hashes() or shard.contents.hashes()) if shard.contents else []
            found += [hashes[place] if hashes else bytes(HASH_BYTES) for place in places_B.tolist()]
        return found

    def _shards(self, rows_R: NDArray[np.int64]) -> Iterator[tuple[ShardRows, NDArray[np.int64]]]:
        """Each shard that holds some of these rows, and their places in it."""
        shards_R = np.searchsorted(self.starts, rows_R, side="right") - 1
        for number in np.unique(shards_R).tolist():
            shard = load_shard(self.directory / self.entries[number].file).rows
            yield shard, rows_R[shards_R == number] - self.starts[number]


@dataclass(frozen=True, slots=True, eq=False)
class _Splits:
    """The pool and the held-out splits as directions of one basis."""

    pool: StoredRows
    near: Directions
    basis_DE: Floats
    others: Mapping[str, StoredRows]

    @classmethod
    def of(cls, directory: Path, entries: Sequence[ShardEntry]) -> "_Splits":
        pool = StoredRows.of(directory, entries, "pool")
        names = dict.fromkeys(entry.split for entry in entries if entry.split != "pool" and entry.rows)
        basis_DE = basis_of(pool.sample())
        others = {name: StoredRows.of(directory, entries, name) for name in names}
        return cls(pool, directions(pool.blocks(), basis_DE), basis_DE, others)

    def held_out(self, split: str, cosine: float) -> tuple[NDArray[np.int64], Floats]:
        """Pairs of a pool row and a row of this split, and their cosines."""
        other = self.others[split]
        near = directions(other.blocks(), self.basis_DE)
        return near_pairs(self.near, near, cosine, self.pool.embeddings, other.embeddings)

    def within(self, cosine: float) -> tuple[NDArray[np.int64], Floats]:
        """Pairs of pool rows, and their cosines."""
        return near_pairs(self.near, None, cosine, self.pool.embeddings, self.pool.embeddings)


def compared_pairs(entries: Sequence[ShardEntry]) -> int:
    """How many pairs of rows a count compares."""
    pool = sum(entry.rows for entry in entries if entry.split == "pool")
    return pool * (pool - 1) // 2 + pool * sum(entry.rows for entry in entries if entry.split != "pool")


def count_near(
    directory: Path, entries: Sequence[ShardEntry], removed: int = 0, cosine: float = COSINE
) -> NearDuplicates | None:
    """Count the near-duplicates of a store; None where it has too many rows, and none of them was removed.

    Raises:
        StoreError: a shard is damaged.
    """
    if compared_pairs(entries) > MOST_PAIRS:
        return NearDuplicates(cosine=cosine, removed=removed) if removed else None
    splits = _Splits.of(directory, entries)
    held_out = {name: len(np.unique(splits.held_out(name, cosine)[0][:, 1])) for name in splits.others}
    pairs_P2, _ = splits.within(cosine)
    return NearDuplicates(
        cosine=cosine,
        held_out=tuple(NearRows(split=name, rows=rows) for name, rows in held_out.items() if rows),
        pool=len(np.unique(pairs_P2[:, 1])),
        exact=_exact(splits.pool, pairs_P2),
        removed=removed,
    )


def _exact(pool: StoredRows, pairs_P2: NDArray[np.int64]) -> int:
    """How many rows have the same content as an earlier one."""
    if not len(pairs_P2):
        return 0
    rows_R = np.unique(pairs_P2)
    contents = dict(zip(rows_R.tolist(), pool.contents(rows_R), strict=True))
    unknown = bytes(HASH_BYTES)
    return len({later for first, later in pairs_P2.tolist() if contents[first] == contents[later] != unknown})


def near_rows(directory: Path, entries: Sequence[ShardEntry], cosine: float) -> dict[str, str]:
    """The pool rows to remove, by row id, and why: near-duplicates of a held-out row, and of a pool row that is kept.

    Of pool rows that are near-duplicates of one another, the first one is kept.
    """
    splits = _Splits.of(directory, entries)
    reasons: dict[int, str] = {}
    for name, other in splits.others.items():
        pairs_P2, cosines_P = splits.held_out(name, cosine)
        for row, reason in _reasons(pairs_P2, cosines_P, name, other):
            reasons.setdefault(row, reason)
    pairs_P2, cosines_P = splits.within(cosine)
    for (first, row), (_, reason) in zip(
        pairs_P2.tolist(), _reasons(pairs_P2[:, ::-1], cosines_P, "pool", splits.pool), strict=True
    ):
        if first not in reasons:
            reasons.setdefault(row, reason)
    rows_R = np.array(sorted(reasons), np.int64)
    names = splits.pool.row_ids(rows_R) if len(rows_R) else []
    return {name: reasons[row] for name, row in zip(names, rows_R.tolist(), strict=True)}


def _reasons(
    pairs_P2: NDArray[np.int64], cosines_P: Floats, split: str, other: StoredRows
) -> Iterator[tuple[int, str]]:
    """For each pair, the row of the pool and why it is removed."""
    if not len(pairs_P2):
        return
    rows_R = np.unique(pairs_P2[:, 1])
    names = dict(zip(rows_R.tolist(), other.row_ids(rows_R), strict=True))
    for (row, same), cosine in zip(pairs_P2.tolist(), cosines_P.tolist(), strict=True):
        yield row, f"{NEAR}{split} row {names[same]!r} (cosine {cosine:.4f})"

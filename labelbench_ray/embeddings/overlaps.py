"""Rows that are in two splits: counted for every store, and removed from the pool with `drop_duplicates`.

    <store>/<key>/overlaps.json

Two texts are the same if they differ in case and spacing at most. Two images are the same if their files or their
embeddings are equal, byte for byte. A test row that is in the pool, too, may be trained on; if the two labels differ,
one of them is wrong.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, NonNegativeInt

from labelbench_ray.datasets import UNLABELED, Modality
from labelbench_ray.embeddings.contents import HASH_BYTES, RowContents
from labelbench_ray.embeddings.label_columns import LabelValue, label_values
from labelbench_ray.embeddings.near_duplicates import NEAR, NearDuplicates, count_near
from labelbench_ray.embeddings.shards import LoadedShard, ShardEntry, ShardRows, load_shard, shard_bytes
from labelbench_ray.errors import DamagedError
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.checksummed import from_checked_json, to_checked_json
from labelbench_ray.storage.parallel import read_each
from labelbench_ray.storage.remote import in_cache

FILE: Final = "overlaps.json"
HELD_OUT: Final = ("test", "validation")
"""The splits that are compared with the pool, before the further ones."""
_SAME: Final = "has the same content as the "


class Overlap(Frozen):
    """How many rows of a split are in another one too."""

    split: str
    other: str
    rows: NonNegativeInt
    relabeled: NonNegativeInt
    """Those of them that have another label there."""

    def __str__(self) -> str:
        relabeled = f", {self.relabeled:,} of them with another label" if self.relabeled else ""
        where = "pool" if self.other == "pool" else f"{self.other} set"
        return f"{self.rows:,} {self.split} row{'s are' if self.rows > 1 else ' is'} also in the {where}{relabeled}"


class Overlaps(Frozen):
    """The overlaps of a store, and how many pool rows were removed because of one."""

    found: tuple[Overlap, ...] = ()
    removed: NonNegativeInt = 0
    near: NearDuplicates | None = Field(default=None, exclude_if=lambda near: near is None)
    """None where they were not counted: in older stores, and in large ones."""

    def __str__(self) -> str:
        """In words; "" if there is nothing to report."""
        were = "rows were" if self.removed > 1 else "row was"
        removed = f"{self.removed:,} pool {were} removed, being in the test or validation set too (drop_duplicates)"
        return "; ".join([*map(str, self.found), *([removed] if self.removed else [])])


class _Record(Overlaps):
    """What the file holds: the counts, and the store that they are of."""

    store: str | None = Field(default=None, exclude_if=lambda store: store is None)
    """Content hash of the store that was counted; older files do not state it."""


Contents = Callable[[str], Mapping[str, bytes | None]]
"""For a split whose shards do not state them: the hash of every row's payload, by its id."""


def nothing_known(split: str) -> dict[str, bytes | None]:
    """For shards that state their contents."""
    return {}


def count_overlaps(
    directory: Path, entries: Sequence[ShardEntry], modality: Modality, contents: Contents = nothing_known
) -> Overlaps:
    """Count the rows of held-out splits that are in another split too; reads every shard once.

    Raises:
        StoreError: a shard is damaged.
    """
    read = partial(_rows, directory, entries, modality, contents)
    held_out = _held_out(entries)
    rows = {split: read(split) for split in held_out}
    rows["pool"] = read("pool", {key for each in rows.values() for row in each for key in row.keys})
    # Further splits may be made of the test rows, so that only what they share with the pool is of interest.
    pairs = (*((split, "pool") for split in held_out), ("test", "validation"))
    found = (_overlap(split, rows[split], other, rows[other]) for split, other in pairs)
    copies = [reason.startswith(_SAME) for reason in removed_rows(directory).values()]
    near = count_near(directory, entries, copies.count(False))
    return Overlaps(found=tuple(each for each in found if each.rows), removed=sum(copies), near=near)


def _held_out(entries: Sequence[ShardEntry]) -> tuple[str, ...]:
    further = (entry.split for entry in entries if entry.split != "pool")
    return tuple(dict.fromkeys((*HELD_OUT, *further)))


def write_overlaps(directory: Path, overlaps: Overlaps, store: str) -> None:
    """Record the counts of a finished store, whose rows do not change.

    Where its folder is read-only, this machine's cache keeps them.

    Args:
        store: its content hash.
    """
    data = to_checked_json(_Record(**dict(overlaps), store=store))
    try:
        publish(directory / FILE, data)
    except OSError:
        kept = _kept_here(directory)
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            publish(kept, data)


def read_overlaps(directory: Path, store: str) -> Overlaps | None:
    """The recorded counts of the store with this content hash; no shard is read.

    None if they are missing, damaged or those of another store that had the same name: then they are counted again.
    """
    for path in (directory / FILE, _kept_here(directory)):
        record = _record(path)
        if record and record.store in (None, store):
            return Overlaps(found=record.found, removed=record.removed, near=record.near)
    return None


def _record(path: Path) -> _Record | None:
    if not path.is_file():
        return None
    try:
        return from_checked_json(_Record, path, "delete it to have it made again")
    except DamagedError:
        return None


def _kept_here(directory: Path) -> Path:
    return in_cache(directory) / FILE


def held_out_rows(directory: Path, entries: Sequence[ShardEntry], modality: Modality) -> dict[str, str]:
    """The pool rows that equal a held-out row, and which row that is."""
    read = partial(_rows, directory, entries, modality, nothing_known)
    names = {
        key: f"{split} row {row.row_id!r}"
        for split in reversed(_held_out(entries))
        for row in read(split)
        for key in row.keys
    }
    return {
        row.row_id: _SAME + next(names[key] for key in row.keys if key in names) for row in read("pool", names.keys())
    }


def remove_rows(path: Path, removed: Mapping[str, str]) -> LoadedShard | None:
    """Rewrite a shard without these rows, which become rejects with their reasons; None if it has none of them."""
    shard = load_shard(path)
    rows = shard.rows
    gone = {row_id: removed[row_id] for row_id in rows.row_ids if row_id in removed}
    if not gone:
        return None
    kept_B = np.array([row_id not in gone for row_id in rows.row_ids], dtype=bool)
    remaining = ShardRows(
        [row_id for row_id in rows.row_ids if row_id not in gone],
        rows.labels_B[kept_B],
        rows.embeddings_BD[kept_B],
        dict(sorted({**rows.rejects, **gone}.items())),
        _remaining(rows, gone),
        facts=rows.facts.take(kept_B),
    )
    data = shard_bytes(remaining, shard.recipe, shard.compute)
    publish(path, data)
    return LoadedShard(remaining, shard.recipe, shard.compute, len(data))


def _remaining(rows: ShardRows, gone: Mapping[str, str]) -> RowContents | None:
    """The contents of a shard's rows without the removed ones."""
    if rows.contents is None:
        return None
    contents = rows.contents
    remaining = [place for place, row_id in enumerate(rows.row_ids) if row_id not in gone]
    kept, folded = (
        "".join(hashes[place].hex() for place in remaining) if hashes else ""
        for hashes in (contents.hashes(), contents.folded_hashes())
    )
    stated = zip(rows.row_ids, label_values(rows.labels_B), contents.hashes(), strict=True)
    removed = {row_id: (label, content.hex()) for row_id, label, content in stated if row_id in gone}
    return RowContents(kept=kept, rejected=contents.rejected | removed, folded=folded)


def left_out_words(rejects: int, removed: int, near: int = 0) -> str:
    """Why rows of a store were left out, each reason with its count; "" if none was.

    Args:
        rejects: rows of all splits that are in rejects.parquet.
        removed: of those, the pool's rows that were removed because of an overlap.
        near: of those, the pool's rows that were removed as near-duplicates.
    """
    reasons = {
        "could not be decoded": rejects - removed - near,
        "were removed from the pool, being in the test or validation set too (drop_duplicates)": removed,
        "were removed from the pool as near-duplicates (drop_near_duplicates)": near,
    }
    stated = " and ".join(f"{count:,} rows {reason}" for reason, count in reasons.items() if count)
    return f"{stated}; see rejects.parquet" if stated else ""


def left_out(rejects: int, overlaps: Overlaps | None) -> str:
    """The same, given a store's overlaps, as far as they are known."""
    near = overlaps.near.removed if overlaps and overlaps.near else 0
    return left_out_words(rejects, overlaps.removed if overlaps else 0, near)


def is_removed(reason: str) -> bool:
    """Whether a row was rejected as a duplicate, not because it cannot be decoded."""
    return reason.startswith((_SAME, NEAR))


def removed_rows(directory: Path) -> dict[str, str]:
    """The removed pool rows of a finished store, with the reasons."""
    rejects = pq.read_table(pa.BufferReader((directory / "rejects.parquet").read_bytes()))
    rows = zip(*(rejects[name].to_pylist() for name in ("row_id", "reason")), strict=True)
    return {row_id: reason for row_id, reason in rows if is_removed(reason)}


@dataclass(frozen=True, slots=True)
class _Row:
    """A row, with the keys that it may share with others."""

    row_id: str
    label: LabelValue
    keys: tuple[bytes, ...]
    """Rows with a key in common are the same."""


def _rows(
    directory: Path,
    entries: Sequence[ShardEntry],
    modality: Modality,
    contents: Contents,
    split: str,
    wanted: Collection[bytes] | None = None,
) -> list[_Row]:
    """The rows of a split; with `wanted`, only rows with one of these keys."""
    here = [entry for entry in entries if entry.split == split]
    known = {} if all(entry.contents for entry in here) else contents(split)

    def read(entry: ShardEntry) -> list[_Row]:
        shard = load_shard(directory / entry.file).rows
        hashes: Sequence[bytes | None] = [known.get(row_id) for row_id in shard.row_ids]
        if shard.contents:
            hashes = shard.contents.folded_hashes() or shard.contents.hashes()
        every = zip(shard.row_ids, label_values(shard.labels_B), _keys(shard, hashes, modality), strict=True)
        return [_Row(*row) for row in every if wanted is None or any(key in wanted for key in row[2])]

    return [row for rows in read_each(read, here) for row in rows]


def _keys(shard: ShardRows, hashes: Sequence[bytes | None], modality: Modality) -> list[tuple[bytes, ...]]:
    """The keys of each row of a shard: its payload and, for images, its embedding."""
    keys: list[tuple[bytes, ...]] = [() if content is None else (content,) for content in hashes]
    if not modality.traits.equal_embeddings:
        return keys
    embeddings = [
        blake2b(row_D.tobytes(), digest_size=HASH_BYTES, person=b"embedding").digest() for row_D in shard.embeddings_BD
    ]
    return [(*payload, embedding) for payload, embedding in zip(keys, embeddings, strict=True)]


def _overlap(split: str, rows: Iterable[_Row], other: str, others: Iterable[_Row]) -> Overlap:
    labels: dict[bytes, set[LabelValue]] = {}
    for row in others:
        for key in row.keys:
            labels.setdefault(key, set()).add(row.label)
    met = [(row.label, set().union(*(labels.get(key, ()) for key in row.keys))) for row in rows]
    return Overlap(
        split=split,
        other=other,
        rows=sum(bool(there) for _, there in met),
        relabeled=sum(any(other != label and _is_label(other) for other in there) for label, there in met),
    )


def _is_label(value: LabelValue) -> bool:
    """Whether it is an answer: -1 is none as a class and one as a real number, of which NaN is none."""
    return value == value and not (isinstance(value, int) and value == UNLABELED)

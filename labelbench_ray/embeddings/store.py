"""The embedding store: parquet shards and a manifest, written once, named by what made them.

    <store>/<key>/shards/pool-00000.parquet    row_id, label, embedding (float16)
    <store>/<key>/rejects.parquet              rows that could not be decoded: row_id, split, reason
    <store>/<key>/manifest.json                written last: without it there is no store
    <store>/<key>/manifest.arrow               the same for many shards, read faster: see `shard_table`
    <store>/<key>/arrays/<content>/            the same as memory-mapped arrays, made once on each machine
                                               (of a remote store: in the machine's cache)
    <store>/<key>/arrays/<content>.<shards>/   the same of some shards of the pool, for a scorer: see `stretches`
    <store>/<key>/attempts/                    while it is made: marks of what workers have begun: see `attempts`
    <store>/<key>/views/...                    the pool's augmented views, where trials want them: see `augmented`

The key hashes the data set's and the encoder's recipe; the content hash covers every id, label and embedding.
Labels lie here for the oracle and the evaluation; a strategy's view is made from embeddings alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import tasks
from labelbench_ray.datasets import without_label
from labelbench_ray.embeddings.external.arrays import mapped_external, read_external, save_external
from labelbench_ray.embeddings.footers import check_counts
from labelbench_ray.embeddings.manifests import FILE, Manifest, read_manifest
from labelbench_ray.embeddings.shards import ShardEntry, ShardRows, read_shard
from labelbench_ray.errors import StoreError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.pool.standardization import Standardization, standardize
from labelbench_ray.storage.memory_maps import ELSEWHERE, check_room, make_once, mapped
from labelbench_ray.storage.remote import on_this_machine
from labelbench_ray.tasks import Task
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.types import Examples, Labels


@dataclass(frozen=True, slots=True, eq=False)
class SplitArrays:
    """One split in the order of its pool ids: embeddings (N, D) float16, memory-mapped; labels (N, ...).

    Labels are the truth: `datasets.UNLABELED` for a row of the pool without one.
    """

    embeddings_ND: NDArray[np.float16]
    labels_N: Labels
    groups_N: NDArray[np.int64] | None = None
    """Group numbers; None for a split without groups."""
    group_names: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    """Of pool rows, memory-mapped."""

    @property
    def truth_N(self) -> Labels | None:
        """The labels where every row has one; None where the truth of some is not known."""
        return None if without_label(self.labels_N).any() else self.labels_N


class Origin(NamedTuple):
    """A store as other processes find it."""

    directory: Path
    content: str
    """Its manifest's hash."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """An embedded data set as read-only arrays that all processes of a machine share.

    Those of a store travel to other processes as the store's name, and are mapped there.
    """

    splits: Mapping[str, SplitArrays]
    """The pool, and then the evaluation splits: validation, test and further ones."""
    standardization: Standardization
    classes: tuple[str, ...]
    task: Task = SINGLE_LABEL
    """What a label is."""
    origin: "Origin | None" = None
    """The store that the arrays were made from; None for other arrays, which travel as they are."""

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is pickled."""
        if self.origin:
            return (mapped_again, (self.origin,))
        return (Embedded, (self.splits, self.standardization, self.classes, self.task))

    @property
    def pool(self) -> SplitArrays:
        """The rows that may be labeled."""
        return self.splits["pool"]

    @property
    def validation(self) -> SplitArrays:
        """The rows that may steer training."""
        return self.splits["validation"]

    @property
    def test(self) -> SplitArrays:
        """The test rows."""
        return self.splits["test"]

    @property
    def evaluation(self) -> dict[str, SplitArrays]:
        """Every split but the pool, by its name."""
        return {name: split for name, split in self.splits.items() if name != "pool"}

    @cached_property
    def validation_examples(self) -> Examples:
        """The validation rows for trainers, standardized once in each process."""
        return Examples(self.standardization.apply(np.asarray(self.validation.embeddings_ND)), self.validation.labels_N)


@dataclass(frozen=True, slots=True)
class EmbeddingStore:
    """A finished store."""

    directory: Path
    manifest: Manifest

    @classmethod
    def open(cls, directory: Path) -> "EmbeddingStore":
        """Read and check the manifest.

        Raises:
            StoreError: it is missing or damaged.
            OtherVersionError: another version made it.
        """
        path = directory / FILE
        manifest = read_manifest(
            Manifest,
            directory,
            f"delete {directory} to embed again",
            "`labelbench embed` makes or finishes the store",
        )
        if manifest.key != directory.name:
            raise StoreError(
                f"{path}: is of store {manifest.key!r}, expected {directory.name!r}; it belongs elsewhere; delete "
                f"{directory} to embed again"
            )
        for split in {"pool", *manifest.shards.splits}:
            if not manifest.count(split):
                raise StoreError(f"{path}: no rows of the split {split!r}; delete {directory} to embed again")
        return cls(directory, manifest)

    def read(self, entry: ShardEntry) -> ShardRows:
        """The rows of a shard; `StoreError` where its content is not what the manifest states."""
        if self.manifest.external:
            return read_external(self.directory, self.manifest, entry)
        return read_shard(self.directory, entry, self.manifest.rebuilt_hashes.get(entry.file))

    def row_ids(self, split: str = "pool") -> list[str]:
        """The data set's own key of every pool id."""
        return [row_id for entry in self.manifest.shards.split(split) for row_id in self.read(entry).row_ids]

    @property
    def arrays_folder(self) -> Path:
        """Where this machine keeps the store's arrays."""
        return on_this_machine(self.directory) / "arrays" / self.manifest.content

    @property
    def has_arrays(self) -> bool:
        """Whether they were made on this machine: then its shards are not read again."""
        return self.arrays_folder.is_dir()

    def arrays(self) -> Embedded:
        """The store as memory-mapped arrays; made once on each machine, then shared by all its processes."""
        make_once(self.arrays_folder, self._make_arrays)
        return self._mapped(self.arrays_folder)

    def _mapped(self, folder: Path) -> Embedded:
        width, hint = self.manifest.dimensions, f"delete {folder} to have it made again"
        groups, task = self.manifest.groups, tasks.create(self.manifest.task)
        splits = {
            split: SplitArrays(
                self._mapped_rows(folder, split),
                mapped(
                    folder / f"{split}-labels.npy", task.dtype, (rows, *task.shape(len(self.manifest.classes))), hint
                ),
                mapped(folder / f"{split}-groups.npy", np.int64, (rows,), hint) if split in groups else None,
                groups[split].names if split in groups else (),
                self._mapped_facts(folder, rows, hint) if split == "pool" else Facts(),
            )
            for split in self.manifest.splits
            for rows in [self.manifest.count(split)]
        }
        standardization = Standardization(
            *(np.array(mapped(folder / f"{name}.npy", np.float32, (width,), hint)) for name in ("mean", "scale"))
        )
        origin = Origin(self.directory, self.manifest.content)
        return Embedded(splits, standardization, self.manifest.classes, task, origin)

    def _mapped_rows(self, folder: Path, split: str) -> NDArray[np.float16]:
        """(N, D) embeddings of a split."""
        if self.manifest.external:
            return mapped_external(self.directory, self.manifest, split, folder)
        shape = (self.manifest.count(split), self.manifest.dimensions)
        return mapped(folder / f"{split}.npy", np.float16, shape, f"delete {folder} to have it made again")

    def _mapped_facts(self, folder: Path, rows: int, hint: str) -> Facts:
        names = sorted(self.manifest.facts)
        return Facts({name: mapped(folder / f"pool-fact-{name}.npy", np.float64, (rows,), hint) for name in names})

    def _make_arrays(self, draft: Path) -> None:
        draft.mkdir()
        if not self.manifest.external:
            check_counts(self.directory, self.manifest.shards)
        held = 8 if self.manifest.external else 2 * self.manifest.dimensions
        beside = 8 + 8 * bool(self.manifest.groups) + 8 * len(self.manifest.facts)
        check_room(self.arrays_folder, self.manifest.shards.num_rows * (held + beside), ELSEWHERE)
        for split in self.manifest.splits:
            np.save(draft / f"{split}-labels.npy", self._save_rows(draft, split))
            if split in self.manifest.groups:
                np.save(draft / f"{split}-groups.npy", self._group_numbers(split))
        for name, values_N in self.fact_columns(self.manifest.shards.split("pool")).items():
            np.save(draft / f"pool-fact-{name}.npy", values_N)
        standardization = standardize(self._mapped_rows(draft, "pool"))
        np.save(draft / "mean.npy", standardization.mean_D)
        np.save(draft / "scale.npy", standardization.scale_D)

    def _save_rows(self, draft: Path, split: str) -> Labels:
        """Write the embeddings of a split, or where they lie; returns its labels."""
        if self.manifest.external:
            labels_N = save_external(self.directory, self.manifest, split, draft)
        else:
            shape, rebuilt = (self.manifest.dimensions,), self.manifest.rebuilt_hashes
            labels_N = write_array(
                draft / f"{split}.npy", self.directory, self.manifest.shards.split(split), shape, rebuilt
            )
        task = tasks.create(self.manifest.task)
        return labels_N if len(labels_N) else np.empty((0, *task.shape(len(self.manifest.classes))), task.dtype)

    def fact_columns(self, entries: Sequence[ShardEntry]) -> Facts:
        """The facts of the rows of these shards of the pool; no shard is read if the store has none."""
        names = sorted(self.manifest.facts)
        parts = [(entry, self.read(entry).facts) for entry in entries if names]
        for entry, facts in parts:
            if absent := [name for name in names if name not in facts]:
                raise StoreError(
                    f"{self.directory / entry.file}: lacks the fact {absent[0]!r}, which the manifest states; delete "
                    f"{self.directory} to embed again"
                )
        return Facts({name: np.concatenate([facts[name] for _, facts in parts]) for name in names})

    def _group_numbers(self, split: str) -> NDArray[np.int64]:
        numbers = [(entry, self.read(entry).groups_B) for entry in self.manifest.shards.split(split)]
        for entry, groups_B in numbers:
            if groups_B is None:
                raise StoreError(
                    f"{self.directory / entry.file}: has no groups, the manifest states some; delete {self.directory} "
                    "to embed again"
                )
        return np.concatenate([groups_B for _, groups_B in numbers if groups_B is not None])


@cache
def embedded(directory: Path) -> Embedded:
    """The mapped arrays of a store, once a process."""
    return EmbeddingStore.open(directory).arrays()


def mapped_again(origin: Origin) -> Embedded:
    """The arrays of a store that another process has opened; `StoreError` if it was made anew since."""
    here = embedded(origin.directory)
    if here.origin != origin:
        raise StoreError(f"{origin.directory}: was made anew while a command used it; run the command again")
    return here


def write_array(
    path: Path, directory: Path, entries: Sequence[ShardEntry], shape: tuple[int, ...], rebuilt: Mapping[str, str]
) -> Labels:
    """Write the embeddings of shards, one after the other, as an array (N, *shape) float16; returns their labels.

    Raises:
        StoreError: a shard is damaged, or is not what its entry states.
    """
    rows, width = sum(entry.rows for entry in entries), math.prod(shape)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, *shape))
    labels: list[Labels] = []
    start = 0
    for entry in entries:
        shard = read_shard(directory, entry, rebuilt.get(entry.file))
        if entry.rows and shard.embeddings_BD.shape[1] != width:
            raise StoreError(
                f"{directory / entry.file}: {shard.embeddings_BD.shape[1]} dimensions, the manifest states {width}; "
                f"delete {directory} to embed again"
            )
        array[start : start + entry.rows] = shard.embeddings_BD.reshape(entry.rows, *shape)
        labels.append(shard.labels_B)
        start += entry.rows
    array.flush()
    # Only where rows of the pool have no label may a split be empty: those have one label each, if any.
    return np.concatenate(labels) if labels else np.empty(0, np.int64)

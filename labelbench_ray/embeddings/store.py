"""The embedding store: parquet shards and a manifest, written once, named by what made them.

    <store>/<key>/shards/pool-00000.parquet    row_id, label, embedding (float16), sorted by row_id
    <store>/<key>/rejects.parquet              rows that could not be decoded: row_id, split, reason
    <store>/<key>/manifest.json                written last: without it there is no store
    <store>/<key>/arrays/<content>/            the same as memory-mapped arrays, made once on each machine
                                               (of a remote store: in the machine's cache)
    <store>/<key>/attempts/                    while it is made: marks of what workers have begun, see `attempts`
    <store>/<key>/views/...                    the pool's augmented views, where trials want them: see `augmented`

The key hashes the data set's and the encoder's recipe; the content hash covers every id, label and embedding.
Labels lie here for the oracle and the evaluation; a strategy's view is made from embeddings alone.
"""

import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, NonNegativeInt, PositiveInt

from labelbench_ray.config import digest
from labelbench_ray.costs import Spent
from labelbench_ray.datasets import SPLITS
from labelbench_ray.embeddings.cut_texts import CutTexts, describe_cut
from labelbench_ray.embeddings.shards import ShardEntry, check_counts, read_shard, shard_file
from labelbench_ray.errors import DamagedError, MissingError, StoreError
from labelbench_ray.plugins import Frozen
from labelbench_ray.pool.standardization import Standardization, standardize
from labelbench_ray.storage.checksummed import read_value
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.memory_maps import ROOM, check_room, mapped
from labelbench_ray.storage.remote import on_this_machine
from labelbench_ray.types import Examples

__all__ = ["Embedded", "EmbeddingStore", "Manifest", "ShardEntry", "SplitArrays", "shard_file"]

FORMAT = 1


class Manifest(Frozen):
    """What a store holds and what made it."""

    format: int = FORMAT
    key: str
    dataset: dict[str, JsonValue]
    encoder: dict[str, JsonValue]
    signature: str
    """Hash of the data set's file names, sizes and row counts: an edit in place that keeps all of them is not seen."""
    weights: str
    preprocessing: str
    compute: str
    classes: tuple[str, ...]
    dimensions: PositiveInt
    rejects: NonNegativeInt
    cut: CutTexts | None = None
    """Texts of all splits that are longer than the encoder reads; not known of older stores."""
    seconds: float
    """Wall seconds of the embedding, for the cost table."""
    cpu_seconds: float = 0.0
    """Of all workers together; like the next two not known of older stores."""
    gpu_seconds: float = 0.0
    bytes_written: NonNegativeInt = 0
    """Of all shards."""
    shards: tuple[ShardEntry, ...]
    versions: dict[str, str] = {}
    """Of the code that closed the store; older stores do not state them."""

    @property
    def content(self) -> str:
        """Hash of everything that a trial's numbers depend on."""
        return digest([list(self.classes), self.compute, [[shard.split, shard.sha256] for shard in self.shards]])

    @property
    def spent(self) -> Spent:
        """What making the store took."""
        return Spent(self.seconds, self.cpu_seconds, self.gpu_seconds, self.bytes_written)

    @property
    def warning(self) -> str | None:
        """What to know before trusting its embeddings, in one sentence."""
        return describe_cut(self.cut, sum(shard.rows for shard in self.shards))

    def count(self, split: str) -> int:
        """Embedded rows of a split."""
        return sum(shard.rows for shard in self.shards if shard.split == split)


@dataclass(frozen=True, slots=True, eq=False)
class SplitArrays:
    """One split in the order of its pool ids: embeddings (N, D) float16, memory-mapped; true labels (N,) int64."""

    embeddings_ND: NDArray[np.float16]
    labels_N: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Embedded:
    """An embedded data set as read-only arrays that all processes of a machine share."""

    pool: SplitArrays
    validation: SplitArrays
    test: SplitArrays
    standardization: Standardization
    classes: tuple[str, ...]

    @cached_property
    def validation_examples(self) -> Examples:
        """The validation rows as trainers take them, standardized once a process."""
        return Examples(self.standardization.apply(self.validation.embeddings_ND), self.validation.labels_N)


@dataclass(frozen=True, slots=True)
class EmbeddingStore:
    """A finished store."""

    directory: Path
    manifest: Manifest

    @classmethod
    def open(cls, directory: Path) -> "EmbeddingStore":
        """Read and check the manifest.

        Raises:
            StoreError: there is none, or it is damaged.
            OtherVersionError: another version made it.
        """
        path = directory / "manifest.json"
        try:
            manifest = read_value(Manifest, path, f"delete {directory} to embed again", "--store")
        except MissingError as error:
            raise StoreError(
                f"{path}: there is no such file; `labelbench embed` makes or finishes the store"
            ) from error
        except DamagedError as error:
            raise StoreError(str(error)) from error
        if manifest.key != directory.name:
            raise StoreError(
                f"{path}: is of store {manifest.key!r}, expected {directory.name!r}; it belongs elsewhere; delete "
                f"{directory} to embed again"
            )
        for split in SPLITS:
            if not manifest.count(split):
                raise StoreError(f"{path}: no rows of the split {split!r}; delete {directory} to embed again")
        return cls(directory, manifest)

    def row_ids(self, split: str = "pool") -> list[str]:
        """The data set's own key of every pool id."""
        return [row_id for entry in self._entries(split) for row_id in read_shard(self.directory, entry).row_ids]

    @property
    def arrays_folder(self) -> Path:
        """Where this machine has the store's arrays, once they are made."""
        return on_this_machine(self.directory) / "arrays" / self.manifest.content

    @property
    def has_arrays(self) -> bool:
        """They were made on this machine: its shards are not read again."""
        return self.arrays_folder.is_dir()

    def arrays(self) -> Embedded:
        """The store as memory-mapped arrays; made once on each machine, then shared by all its processes."""
        folder = self.arrays_folder
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder.parent / "lock"):
                if not folder.is_dir():
                    for draft in folder.parent.glob(".*.draft"):  # of killed processes: we hold the lock
                        shutil.rmtree(draft)
                    self._make_arrays(folder)
        return self._mapped(folder)

    def _mapped(self, folder: Path) -> Embedded:
        width, mend = self.manifest.dimensions, f"delete {folder} to have it made again"
        splits = {
            split: SplitArrays(
                mapped(folder / f"{split}.npy", np.float16, (rows, width), mend),
                mapped(folder / f"{split}-labels.npy", np.int64, (rows,), mend),
            )
            for split in SPLITS
            for rows in [self.manifest.count(split)]
        }
        standardization = Standardization(
            *(np.array(mapped(folder / f"{name}.npy", np.float32, (width,), mend)) for name in ("mean", "scale"))
        )
        return Embedded(**splits, standardization=standardization, classes=self.manifest.classes)

    def _entries(self, split: str) -> list[ShardEntry]:
        return [entry for entry in self.manifest.shards if entry.split == split]

    def _make_arrays(self, folder: Path) -> None:
        draft = folder.with_name(f".{folder.name}.{os.getpid()}.draft")
        draft.mkdir()
        try:
            check_counts(self.directory, self.manifest.shards)
            rows = sum(self.manifest.count(split) for split in SPLITS)
            check_room(folder, rows * (2 * self.manifest.dimensions + 8), ROOM)
            for split in SPLITS:
                self._fill(draft, split)
            standardization = standardize(np.load(draft / "pool.npy", mmap_mode="r"))
            np.save(draft / "mean.npy", standardization.mean_D)
            np.save(draft / "scale.npy", standardization.scale_D)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _fill(self, draft: Path, split: str) -> None:
        rows = self.manifest.count(split)
        embeddings_ND = np.lib.format.open_memmap(
            draft / f"{split}.npy", mode="w+", dtype=np.float16, shape=(rows, self.manifest.dimensions)
        )
        labels_N = np.empty(rows, np.int64)
        start = 0
        for entry in self._entries(split):
            shard = read_shard(self.directory, entry)
            if entry.rows and shard.embeddings_BD.shape[1] != self.manifest.dimensions:
                raise StoreError(
                    f"{self.directory / entry.file}: {shard.embeddings_BD.shape[1]} dimensions, the manifest states "
                    f"{self.manifest.dimensions}; delete {self.directory} to embed again"
                )
            embeddings_ND[start : start + entry.rows] = shard.embeddings_BD
            labels_N[start : start + entry.rows] = shard.labels_B
            start += entry.rows
        embeddings_ND.flush()
        np.save(draft / f"{split}-labels.npy", labels_N)

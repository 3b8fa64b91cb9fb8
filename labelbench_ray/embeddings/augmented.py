"""Augmented views in the embedding store: every row of the pool again, weakly and strongly augmented, as a pair.

    <store>/<key>/views/<augmentation>/<view>/
        shards/pool-00000.parquet    the rows of the store's own shard of that name, the embedding twice as wide: weak,
                                     then strong
        manifest.json                written last: without it there is no view
        arrays/<content>.npy         the same as a memory-mapped array (N, 2, D), made once on each machine

`<augmentation>` hashes the augmentation's recipe. A view knows by content hash the store that it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, NonNegativeInt

from labelbench_ray.config import digest
from labelbench_ray.costs import Spent
from labelbench_ray.embeddings.shards import ShardEntry, check_counts, read_keys, read_shard
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import DamagedError, MissingError, StoreError
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.checksummed import read_value
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.memory_maps import ROOM, check_room, mapped
from labelbench_ray.storage.remote import on_this_machine

FORMAT = 1


class ViewManifest(Frozen):
    """What a view holds and what made it."""

    format: int = FORMAT
    view: NonNegativeInt
    augmentation: dict[str, JsonValue]
    base: str
    """Content hash of the store whose rows these are."""
    compute: str
    seconds: float
    """Wall seconds of the embedding; of views that were embedded together, an equal share."""
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    bytes_written: NonNegativeInt = 0
    shards: tuple[ShardEntry, ...]
    versions: dict[str, str] = {}
    """Of the code that closed the view; older views do not state them."""

    @property
    def spent(self) -> Spent:
        """What making the view took."""
        return Spent(self.seconds, self.cpu_seconds, self.gpu_seconds, self.bytes_written)

    @property
    def content(self) -> str:
        """Hash of everything that a trial's numbers depend on."""
        return digest([self.base, self.compute, [shard.sha256 for shard in self.shards]])


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Augmented embeddings of the pool: for each view (N, 2, D) float16 by pool id, weak and strong; memory-mapped."""

    pairs: tuple[NDArray[np.float16], ...]


def view_directory(store: Path, augmentation: str, view: int) -> Path:
    """Where a view lies."""
    return store / "views" / augmentation / str(view)


def views_there(store: Path, augmentation: str, count: int) -> list[int]:
    """Which of the views 0 .. count-1 are whole."""
    return [view for view in range(count) if (view_directory(store, augmentation, view) / "manifest.json").is_file()]


def open_view(store: EmbeddingStore, augmentation: str, view: int) -> ViewManifest:
    """Read and check a view's manifest.

    Raises:
        StoreError: it is damaged, or the view was made from another store.
        OtherVersionError: another version made it.
    """
    directory = view_directory(store.directory, augmentation, view)
    path = directory / "manifest.json"
    mend = f"delete {directory} to embed that view again"
    try:
        manifest = read_value(ViewManifest, path, mend, "--store")
    except MissingError as error:
        raise StoreError(f"{path}: there is no such file; {mend}") from error
    except DamagedError as error:
        raise StoreError(str(error)) from error
    if (manifest.view, digest(manifest.augmentation)) != (view, augmentation):
        raise StoreError(
            f"{path}: is of view {manifest.view} of {digest(manifest.augmentation)!r}, expected {view} of "
            f"{augmentation!r}; it belongs elsewhere; {mend}"
        )
    if manifest.base != store.manifest.content:
        raise StoreError(
            f"{path}: was made from the store {manifest.base}, here is {store.manifest.content}; its rows may be "
            f"others; {mend}"
        )
    return manifest


def open_views(store: EmbeddingStore, augmentation: str, count: int) -> Views:
    """The first views of an augmentation; their arrays are made once on each machine.

    Raises:
        StoreError: some are not there, damaged, or of another store.
    """
    there = views_there(store.directory, augmentation, count)
    if len(there) < count:
        raise StoreError(
            f"{store.directory / 'views' / augmentation}: {len(there)} views are there, {count} are asked for; "
            "`labelbench embed` adds the missing ones, or lower `views`"
        )
    return Views(tuple(_mapped(store, augmentation, view) for view in there))


def check_same_rows(base: Path, directory: Path, entries: Sequence[ShardEntry]) -> None:
    """Refuse a view whose shards hold other rows, or reject others, than the store's own shards of the same name."""
    for entry in entries:
        if read_keys(directory / entry.file) != read_keys(base / entry.file):
            raise StoreError(
                f"{directory / entry.file}: holds other rows than {base / entry.file}; delete {directory} to embed "
                f"that view again, or {base} to embed everything again if the data have changed since"
            )


def _mapped(store: EmbeddingStore, augmentation: str, view: int) -> NDArray[np.float16]:
    manifest = open_view(store, augmentation, view)
    directory = view_directory(store.directory, augmentation, view)
    path = on_this_machine(directory) / "arrays" / f"{manifest.content}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent / "lock"):
            if not path.exists():
                check_same_rows(store.directory, directory, manifest.shards)
                _make_array(directory, manifest, path, store.manifest.dimensions)
    rows = sum(entry.rows for entry in manifest.shards)
    return mapped(path, np.float16, (rows, 2, store.manifest.dimensions), "delete it to have it made again")


def _make_array(directory: Path, manifest: ViewManifest, path: Path, dimensions: int) -> None:
    draft = path.with_name(f".{path.name}.draft")  # one name for all processes: a killed one's is overwritten
    rows = sum(entry.rows for entry in manifest.shards)
    check_counts(directory, manifest.shards)
    check_room(path, rows * 2 * dimensions * 2, ROOM)
    try:
        pairs_N2D = np.lib.format.open_memmap(draft, mode="w+", dtype=np.float16, shape=(rows, 2, dimensions))
        start = 0
        for entry in manifest.shards:
            pairs_N2D[start : start + entry.rows] = read_shard(directory, entry).embeddings_BD.reshape(
                entry.rows, 2, dimensions
            )
            start += entry.rows
        pairs_N2D.flush()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

"""Augmented views in the embedding store: every row of the pool again, weakly and strongly augmented, as a pair.

    <store>/<key>/views/<augmentation>/<view>/
        shards/pool-00000.parquet    the rows of the store's own shard of that name, the embedding twice as wide: weak,
                                     then strong
        manifest.json                written last: without it there is no view
        arrays/<content>.npy         the same as a memory-mapped array (N, 2, D), made once on each machine

`<augmentation>` hashes the augmentation's recipe. A view states the content hash of the store that it belongs to.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.augmentations import WantedViews
from labelbench_ray.config import digest
from labelbench_ray.embeddings.footers import check_counts
from labelbench_ray.embeddings.manifests import FILE, ViewManifest, read_manifest
from labelbench_ray.embeddings.shards import ShardEntry, read_keys
from labelbench_ray.embeddings.store import EmbeddingStore, write_array
from labelbench_ray.errors import StoreError
from labelbench_ray.storage.memory_maps import ELSEWHERE, check_room, make_once, mapped
from labelbench_ray.storage.remote import on_this_machine


def view_directory(store: Path, augmentation: str, view: int) -> Path:
    """The folder of an augmented view."""
    return store / "views" / augmentation / str(view)


def finished_views(store: Path, augmentation: str, count: int) -> list[int]:
    """Which of the augmented views 0 .. count-1 are complete."""
    return [view for view in range(count) if (view_directory(store, augmentation, view) / FILE).is_file()]


def missing_views(store: EmbeddingStore, wanted: WantedViews) -> list[int]:
    """The augmented views that are yet to be embedded; `StoreError` for a damaged one, or one of another store."""
    finished = finished_views(store.directory, wanted.digest, wanted.count)
    for view in finished:
        read_view_manifest(store, wanted.digest, view)
    return [view for view in range(wanted.count) if view not in finished]


def read_view_manifest(store: EmbeddingStore, augmentation: str, view: int) -> ViewManifest:
    """Read and check the manifest of an augmented view.

    Raises:
        StoreError: it is damaged, or the view was made from another store.
        OtherVersionError: another version made it.
    """
    directory = view_directory(store.directory, augmentation, view)
    path, hint = directory / FILE, f"delete {directory} to embed that view again"
    manifest = read_manifest(ViewManifest, directory, hint, hint)
    if (manifest.view, digest(manifest.augmentation)) != (view, augmentation):
        raise StoreError(
            f"{path}: is of view {manifest.view} of {digest(manifest.augmentation)!r}, expected {view} of "
            f"{augmentation!r}; it belongs elsewhere; {hint}"
        )
    if manifest.base != store.manifest.content:
        raise StoreError(
            f"{path}: was made from the store {manifest.base}, here is {store.manifest.content}; its rows may be "
            f"others; {hint}"
        )
    return manifest


def augmented_pairs(store: EmbeddingStore, augmentation: str, count: int) -> tuple[NDArray[np.float16], ...]:
    """The first views of an augmentation, each (N, 2, D) by pool id, weak and strong; memory-mapped.

    Their arrays are made once on each machine.

    Raises:
        StoreError: some are missing, damaged, or of another store.
    """
    finished = len(finished_views(store.directory, augmentation, count))
    if finished < count:
        raise StoreError(
            f"{store.directory / 'views' / augmentation}: {finished} views are there, {count} are asked for; "
            "`labelbench embed` adds the missing ones, or lower `views`"
        )
    return tuple(_mapped(store, augmentation, view) for view in range(count))


def _mapped(store: EmbeddingStore, augmentation: str, view: int) -> NDArray[np.float16]:
    manifest = read_view_manifest(store, augmentation, view)
    directory = view_directory(store.directory, augmentation, view)
    path = on_this_machine(directory) / "arrays" / f"{manifest.content}.npy"
    shape = (2, store.manifest.dimensions)
    rows = manifest.count("pool")

    def make(draft: Path) -> None:
        check_same_rows(store.directory, directory, manifest.shards)
        check_counts(directory, manifest.shards)
        check_room(path, rows * 2 * store.manifest.dimensions * 2, ELSEWHERE)
        write_array(draft, directory, manifest.shards, shape, {})

    make_once(path, make)
    return mapped(path, np.float16, (rows, *shape), "delete it to have it made again")


def check_same_rows(base: Path, directory: Path, entries: Sequence[ShardEntry]) -> None:
    """Refuse a view whose shards hold or reject other rows than the store's own shards of the same name."""
    for entry in entries:
        if read_keys(directory / entry.file) != read_keys(base / entry.file):
            raise StoreError(
                f"{directory / entry.file}: holds other rows than {base / entry.file}; delete {directory} to embed "
                f"that view again, or {base} to embed everything again if the data have changed since"
            )

"""Stores of embeddings that were made elsewhere: the manifest names their files, which are mapped where they lie.

A store like any other, except that its shards are windows of external files (`windows`): nothing is decoded, embedded
or copied, unless a file cannot be mapped; then its rows are converted once. A store in a bucket, or one of a data set
that removes rows, holds its embeddings.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.costs import cpu_seconds
from labelbench_ray.datasets import Dataset, Source
from labelbench_ray.datasets.vectors.table import VectorTable, files_found
from labelbench_ray.embeddings.changes import Changes
from labelbench_ray.embeddings.external.arrays import save_arrays
from labelbench_ray.embeddings.external.files import (
    ExternalArray,
    TakenArray,
    changed_files,
    check_sizes,
    external_rows,
    paths_now,
    take_array,
)
from labelbench_ray.embeddings.external.overlaps import SplitRows, count_equal
from labelbench_ray.embeddings.external.scan import RowScan
from labelbench_ray.embeddings.external.windows import (
    OrderedRows,
    WindowRows,
    ordered_rows,
    read_window,
    window_bytes,
    windows,
)
from labelbench_ray.embeddings.finished import StoreRecipe, check_rejects
from labelbench_ray.embeddings.manifests import Manifest, publish_manifest
from labelbench_ray.embeddings.origin import changed_data, found_source, write_source
from labelbench_ray.embeddings.overlaps import write_overlaps
from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, rejects_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders.precomputed import Precomputed
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DataError, StoreError
from labelbench_ray.storage.atomic import publish, remove
from labelbench_ray.storage.memory_maps import make_once
from labelbench_ray.storage.quarantine import set_aside
from labelbench_ray.storage.remote import is_remote
from labelbench_ray.storage.versions import versions

COMPUTE = "float16 as stored"
DRAFT = ".draft"
"""The folder in a store where windows lie until all of them are written."""
AGAIN = "put the damaged file and the data back as they were, or delete this folder to start afresh"
Progress = Callable[[int, int], None]


def names_files(dataset: Dataset, encoder: Encoder, source: Source, store: Path) -> bool:
    """Whether a store of this data set names its files: what it holds lies on this disk, as it is embedded."""
    splits = source.splits.values()
    plain = all(isinstance(each.table, VectorTable) and not each.groups and not each.facts for each in splits)
    removes = dataset.drop_duplicates or dataset.drop_near_duplicates is not None
    return plain and isinstance(encoder, Precomputed) and not removes and not is_remote(store)


def make_external(
    recipe: StoreRecipe, source: Source, weights: str, environment: Environment, progress: Progress, stated: str = ""
) -> None:
    """Hash the files, check every row, and write the windows and the manifest.

    Args:
        stated: the content of the store that is made again, so that nothing else is written; "" for a new one.

    Raises:
        DataError: a file is damaged or changed meanwhile, or too many rows are not finite.
        StoreError: there is no room for rows that must be converted, or the content is not what was stated.
    """
    start, cpu, directory = time.monotonic(), cpu_seconds(), environment.store / recipe.key
    found, draft = found_source(source), _new_draft(directory)  # before a row is read: later changes are detected
    progress(0, total := sum(len(split) for split in source.splits.values()))
    ordered = {name: ordered_rows(split) for name, split in source.splits.items()}
    taken = _taken(directory, source, ordered["pool"])
    entries: list[ShardEntry] = []
    rejects: list[tuple[str, str, str]] = []
    kept: dict[str, SplitRows] = {}
    for name, rows in ordered.items():
        each = taken[id(rows.table)]
        rows_MD = external_rows(directory, each.array, each.scan.width)
        made = [*windows(rows, each.scan.finite_N, rows_MD)]
        for number, window in enumerate(made):
            entries.append(_published(draft, ShardId(name, number), window, each.array))
            rejects += [(row_id, name, reason) for row_id, reason in window.rejects.items()]
        kept[name] = _kept_rows(rows_MD, each.scan.keys_N, made)
    check_rejects([(row_id, reason) for row_id, _, reason in rejects], total, environment.max_reject_fraction)
    _check_unchanged(source)
    arrays = tuple(each.array for each in taken.values())
    written = [draft / each.file for each in entries] + [
        directory / each.converted for each in arrays if each.converted
    ]
    manifest = Manifest(
        compute=COMPUTE,
        seconds=time.monotonic() - start,
        cpu_seconds=cpu_seconds() - cpu,
        bytes_written=sum(file.stat().st_size for file in written),
        shards=ShardTable.of(entries),
        versions=versions(),
        key=recipe.key,
        dataset=plugins.recipe(recipe.dataset_name, recipe.dataset),
        encoder=plugins.recipe(recipe.encoder_name, recipe.encoder),
        signature=source.signature,
        weights=weights,
        preprocessing=recipe.encoder.preprocessing(),
        classes=source.classes,
        task=recipe.dataset.task,
        dimensions=_width(source),
        rejects=len(rejects),
        external=arrays,
    )
    _move_windows(draft, manifest, stated)
    write_source(directory, found)
    publish(directory / "rejects.parquet", rejects_bytes(rejects))
    write_overlaps(directory, count_equal({name: rows for name, rows in kept.items() if len(rows)}), manifest.content)
    publish_manifest(directory, manifest)
    _keep_arrays(EmbeddingStore(directory, manifest), kept, taken[id(ordered["pool"].table)].scan)
    progress(total, total)


def _new_draft(directory: Path) -> Path:
    """An empty folder for windows."""
    draft = directory / DRAFT
    remove(draft)
    (draft / "shards").mkdir(parents=True)
    return draft


def _move_windows(draft: Path, manifest: Manifest, stated: str) -> None:
    """Put the windows into their store; `StoreError` for other content than what was stated, "" for nothing."""
    if stated not in ("", manifest.content):
        remove(draft)
        raise StoreError(f"{draft.parent}: its rows, made again, have other content than its manifest states; {AGAIN}")
    for entry in manifest.shards:
        (draft / entry.file).replace(draft.parent / entry.file)
    remove(draft)


def _taken(directory: Path, source: Source, pool: OrderedRows) -> dict[int, TakenArray]:
    """The arrays of a source's tables, each read once, by the identities of the tables."""
    taken: dict[int, TakenArray] = {}
    for place, (name, table) in enumerate(source.tables().items()):
        assert isinstance(table, VectorTable)
        pool_N = pool.rows_N if table is pool.table and pool.is_ascending else None
        taken[id(table)] = take_array(directory, place, tuple(name.split(" and ")), table, pool_N)
    return taken


def _kept_rows(array_MD: NDArray[np.float16], keys_M: NDArray[np.uint64], made: Sequence[WindowRows]) -> SplitRows:
    """The rows of a split's windows."""
    if not made:
        return SplitRows(array_MD, np.empty(0, np.int64), np.empty(0, np.int64), keys_M[:0])
    rows_N = np.concatenate([window.rows_B for window in made])
    return SplitRows(array_MD, rows_N, np.concatenate([window.labels_B for window in made]), keys_M[rows_N])


def _keep_arrays(store: EmbeddingStore, kept: Mapping[str, SplitRows], pool: RowScan) -> None:
    """Make what this machine keeps of the store, without reading the windows again."""
    standardization = pool.standardization(kept["pool"].gathered)
    make_once(store.arrays_folder, partial(save_arrays, kept, standardization))


def _published(directory: Path, shard: ShardId, window: WindowRows, array: ExternalArray) -> ShardEntry:
    """Write a window; `DataError` for one without rows."""
    if not len(window.rows_B):
        why = next(iter(window.rejects.values()))
        raise DataError(f"{directory}: every row of the split {shard.split!r} {why}; a split needs at least one")
    publish(directory / shard.file, window_bytes(window))
    sha256 = window.sha256(array.content)
    return ShardEntry(split=shard.split, number=shard.number, rows=len(window.rows_B), sha256=sha256)


def _check_unchanged(source: Source) -> None:
    """Refuse files that changed while they were read."""
    for table in source.tables().values():
        assert isinstance(table, VectorTable)
        now = files_found(table.folder, (*table.vectors.paths, *table.beside))
        same_F = (now.sizes_F == table.found.sizes_F) & (now.modified_F == table.found.modified_F)
        if not same_F.all():
            name = table.found.names_F[int(np.flatnonzero(~same_F)[0])].as_py()
            raise DataError(f"{table.folder}/{name}: changed while it was read; run the same command again")


def _width(source: Source) -> int:
    table = source.splits["pool"].table
    assert isinstance(table, VectorTable)
    return table.vectors.shape[1]


def check_external(store: EmbeddingStore) -> None:
    """Refuse files that are gone or of another size; reads nothing."""
    for array in store.manifest.external:
        if not array.converted:
            check_sizes(array.files, store.directory)


def checked_external(
    store: EmbeddingStore,
    recipe: StoreRecipe,
    wanted: WantedViews | None,
    source: Source,
    weights: str,
    environment: Environment,
    found: bool,
) -> EmbeddingStore:
    """The store with its windows and converted rows as the manifest states; what is damaged is made again.

    Args:
        found: it was made before.

    Raises:
        ConfigError: augmented views are wanted.
        StoreError: a file is gone or of another size, or what is made again is not what was lost.
    """
    if wanted:
        raise ConfigError(
            f"{store.directory}: holds embeddings that were made elsewhere, of which no augmented views can be made; "
            "use a trainer that needs none, such as 'logistic'"
        )
    if not found:
        return store
    store = EmbeddingStore.open(store.directory)  # it may name the files at other paths since it was compared
    check_external(store)
    damaged = _damaged(store)
    if not damaged:
        return store
    external = store.manifest.external
    if changed := changed_files(external, paths_now(external, source)):  # before rows are converted again
        raise changed_data(store, Changes((), None, (), contents=tuple(changed)))
    for path, why in damaged.items():
        set_aside(store.directory, [path], why)
    make_external(recipe, source, weights, environment, lambda done, total: None, store.manifest.content)
    return EmbeddingStore.open(store.directory)


def _damaged(store: EmbeddingStore) -> dict[Path, str]:
    """Windows and converted rows that are missing or not what the manifest states, with what is wrong."""
    found: dict[Path, str] = {}
    for entry in () if store.has_arrays else store.manifest.shards:
        try:
            read_window(store.directory, entry, store.manifest.array_of(entry.split).content)
        except StoreError as error:
            found[store.directory / entry.file] = str(error)
    for array in store.manifest.external:
        if array.converted:
            try:
                external_rows(store.directory, array, store.manifest.dimensions)
            except StoreError as error:
                found[store.directory / array.converted] = str(error)
    return found

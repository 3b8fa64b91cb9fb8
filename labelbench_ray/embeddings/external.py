"""Stores of embeddings that were made elsewhere: the manifest names their files, which are mapped where they lie.

A store like any other, except that its shards are windows of external files (`windows`): nothing is decoded, embedded
or copied, unless a file cannot be mapped; then its rows are converted once. A store in a bucket, or one of a data set
that removes rows, holds its embeddings.
"""

import time
from collections.abc import Callable
from pathlib import Path

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.costs import cpu_seconds
from labelbench_ray.datasets import Dataset, Source
from labelbench_ray.datasets.vectors.table import VectorTable
from labelbench_ray.embeddings.external_files import (
    check_sizes,
    external_rows,
    take_array,
)
from labelbench_ray.embeddings.finished import StoreRecipe, check_rejects
from labelbench_ray.embeddings.manifests import Manifest, publish_manifest
from labelbench_ray.embeddings.origin import check_unchanged, found_source, write_source
from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, rejects_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.embeddings.windows import read_window, window_bytes, windows
from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders.precomputed import NOT_FINITE, Precomputed
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DataError, StoreError
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.quarantine import set_aside
from labelbench_ray.storage.remote import is_remote
from labelbench_ray.storage.versions import versions

COMPUTE = "float16 as stored"
Progress = Callable[[int, int], None]


def names_files(dataset: Dataset, encoder: Encoder, source: Source, store: Path) -> bool:
    """Whether a store of this data set names its files: what it holds lies on this disk, as it is embedded."""
    splits = source.splits.values()
    plain = all(isinstance(each.table, VectorTable) and not each.groups and not each.facts for each in splits)
    return plain and isinstance(encoder, Precomputed) and not dataset.drop_duplicates and not is_remote(store)


def make_external(
    recipe: StoreRecipe, source: Source, weights: str, environment: Environment, progress: Progress
) -> None:
    """Hash the files, check every row, and write the windows and the manifest.

    Raises:
        DataError: a file is damaged or changed meanwhile, or too many rows are not finite.
        StoreError: there is no room for rows that must be converted.
    """
    start, cpu, directory = time.monotonic(), cpu_seconds(), environment.store / recipe.key
    write_source(directory, found_source(source))  # before a row is read, so that later changes are detected
    total = sum(len(split) for split in source.splits.values())
    progress(0, total)
    tables = {id(table): (name.split(" and "), table) for name, table in source.tables().items()}
    taken = {
        number: take_array(directory, place, tuple(splits), table)
        for place, (number, (splits, table)) in enumerate(tables.items())
        if isinstance(table, VectorTable)
    }
    entries: list[ShardEntry] = []
    rejects: list[tuple[str, str, str]] = []
    written = 0
    for name, split in source.splits.items():
        if not len(split):
            continue
        of = taken[id(split.table)]
        for number, window in enumerate(windows(split, of.finite_N, NOT_FINITE)):
            if not len(window.rows_B):
                raise DataError(
                    f"{directory}: no row of the split {name!r} is finite; every split needs at least one: {NOT_FINITE}"
                )
            data = window_bytes(window)
            publish(directory / ShardId(name, number).file, data)
            written += len(data)
            sha256 = window.sha256(of.array.content)
            entries.append(ShardEntry(split=name, number=number, rows=len(window.rows_B), sha256=sha256))
            rejects += [(row_id, name, reason) for row_id, reason in window.rejects.items()]
    check_rejects([(row_id, reason) for row_id, _, reason in rejects], total, environment.max_reject_fraction)
    check_unchanged(source, recipe.dataset.open(environment.data_root))
    publish(directory / "rejects.parquet", rejects_bytes(rejects))
    arrays = tuple(each.array for each in taken.values())
    converted = sum((directory / each.converted).stat().st_size for each in arrays if each.converted)
    manifest = Manifest(
        compute=COMPUTE,
        seconds=time.monotonic() - start,
        cpu_seconds=cpu_seconds() - cpu,
        bytes_written=written + converted,
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
    publish_manifest(directory, manifest)
    progress(total, total)


def _width(source: Source) -> int:
    table = source.splits["pool"].table
    assert isinstance(table, VectorTable)
    return table.vectors.shape[1]


def check_external(store: EmbeddingStore) -> None:
    """Refuse files that are gone or of another size; reads nothing."""
    for array in store.manifest.external:
        if not array.converted:
            check_sizes(array.files, store.directory)


def refuse_views(store: EmbeddingStore, wanted: WantedViews | None) -> None:
    """Refuse augmented views of rows that are not here as what they were made from."""
    if wanted:
        raise ConfigError(
            f"{store.directory}: holds embeddings that were made elsewhere, of which no augmented views can be made; "
            "use a trainer that needs none, such as 'logistic'"
        )


def checked_external(
    store: EmbeddingStore, recipe: StoreRecipe, source: Source, weights: str, environment: Environment
) -> EmbeddingStore:
    """The store with its windows and converted rows as the manifest states; what is damaged is made again.

    Raises:
        StoreError: a file is gone or of another size, or what is made again is not what was lost.
    """
    store = EmbeddingStore.open(store.directory)  # it may name the files at other paths since it was compared
    check_external(store)
    damaged = _damaged(store)
    if not damaged:
        return store
    for path, why in damaged.items():
        set_aside(store.directory, [path], why)
    make_external(recipe, source, weights, environment, lambda done, total: None)
    again = EmbeddingStore.open(store.directory)
    if again.manifest.content != store.manifest.content:
        raise StoreError(
            f"{next(iter(damaged))}: was damaged, and making it again gave other content than the manifest stated; "
            f"put it back from a copy, or delete {store.directory} to start afresh"
        )
    return again


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

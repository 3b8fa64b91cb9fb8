"""A complete embedding store: the missing shards are found and embedded, then the manifest is written.

This module does not use Ray: `cluster.embed` embeds through Ray Data, `embeddings.local` in this process.
"""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from pydantic import JsonValue

from labelbench_ray.augmentations import WantedViews
from labelbench_ray.config import digest
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.augmented import check_same_rows, missing_views
from labelbench_ray.embeddings.damaged_shards import missing_shards, set_damaged_aside, with_rebuilt
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, all_shards, checked_shards, found_shards
from labelbench_ray.embeddings.external.store import checked_external, make_external, names_files
from labelbench_ray.embeddings.facts import stored_facts
from labelbench_ray.embeddings.finished import (
    StoreRecipe,
    allowed_rejects,
    check_rejects,
    check_store,
    close_store,
    close_view,
    without_rows,
)
from labelbench_ray.embeddings.groups import group_hashes
from labelbench_ray.embeddings.manifests import SHARD_ROWS
from labelbench_ray.embeddings.origin import (
    check_same_data,
    check_unchanged,
    found_source,
    read_source,
    same_rows,
    write_source,
)
from labelbench_ray.embeddings.overlaps import is_removed, removed_rows
from labelbench_ray.embeddings.shard_contents import read_contents
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Device, Encoder
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ChangedDataError, StoreError
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.remote import is_remote

SIZE: Final = "shard_rows"
"""File of an unfinished store whose shards do not have `SHARD_ROWS` rows: how many they have."""

Progress = Callable[[int, int], None]
"""(rows done, rows in all)"""
FindShards = Callable[[EmbeddingJob, Sequence[ShardId]], dict[ShardId, EmbeddedShard]]
"""The finished ones of these shards."""


class Embedder(Protocol):
    """Embeds shards somewhere."""

    @property
    def device(self) -> Device:
        """The device that embeds; the embeddings of another device have another recipe."""
        ...

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        """Embed these shards, of the store or of its augmented views; yields each as it is finished."""
        ...


def complete_store(
    recipe: StoreRecipe,
    wanted: WantedViews | None,
    environment: Environment,
    embedder: Embedder,
    progress: Progress,
    source: Source | None = None,
) -> EmbeddingStore:
    """The store of a recipe with the augmented views that a trainer needs; embeds the missing shards.

    Args:
        source: the data set as this command has opened it; None: it is opened here.

    Raises:
        NotProvidedError: data or weights are not on this machine.
        StoreError: the store was made from other data or weights or with other shards, or a view from another store.
        DataError: too many rows cannot be decoded, or all of a split's, or an embedding is not finite.
    """
    source = source or recipe.dataset.open(environment.data_root)
    recipe = recipe.fitted(source)
    weights, directory = recipe.encoder.weights(), environment.store / recipe.key
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    with locked(directory / "lock"):
        found = (directory / "manifest.json").is_file()
        if not found and names_files(recipe.dataset, recipe.encoder, source, environment.store):
            make_external(recipe, source, weights, environment, progress)
        elif not found:
            _make_store(recipe, source, weights, environment, embedder, progress)
        store = check_store(EmbeddingStore.open(directory), source, weights)
        if store.manifest.external:
            return checked_external(store, recipe, wanted, source, weights, environment, found)
        if found:
            _check_size(directory, store.manifest.shard_rows, environment.shard_rows)
            store = _repaired(store, recipe, source, weights, environment, embedder)
            check_same_data(store, source)
        if wanted:
            _add_views(store, wanted, recipe.encoder, source, environment, embedder, progress)
    return store


def _make_store(
    recipe: StoreRecipe,
    source: Source,
    weights: str,
    environment: Environment,
    embedder: Embedder,
    progress: Progress,
) -> None:
    """Embed what an earlier, killed job did not finish, and close the store, which reads every shard."""
    start, rows = time.monotonic(), _begun_with(environment.store / recipe.key, environment.shard_rows)
    job = _job(recipe, source, weights, environment, embedder.device, rows)
    shards = all_shards(source, rows)

    def finish(find: FindShards) -> None:
        made = _still_same(find(job, shards), source, job)
        _embed_missing(job, source, shards, made, environment.max_reject_fraction, embedder, progress)
        check_unchanged(source, recipe.dataset.open(environment.data_root))
        seconds = time.monotonic() - start
        close_store(recipe, source, weights, job, [made[shard] for shard in shards], seconds)

    try:
        finish(found_shards)
    except ChangedDataError:
        raise
    except StoreError:  # a shard that was found is damaged: all are checked, and damaged ones are embedded again
        finish(checked_shards)


def _embed_missing(
    job: EmbeddingJob,
    source: Source,
    shards: Sequence[ShardId],
    made: dict[ShardId, EmbeddedShard],
    max_reject_fraction: float,
    embedder: Embedder,
    progress: Progress,
) -> None:
    """Embed the shards that are not made yet, and add them; `DataError` for too many rejects."""
    write_source(job.directory, found_source(source))  # before a row is read, so that later changes are detected
    total = _rows(source)
    rejects = [item for shard in made.values() for item in shard.rejects.items()]
    rows = sum(shard.entry.rows for shard in made.values())
    progress(rows + len(rejects), total)
    for fresh in _embedded(job, source, shards, made, embedder):
        rejects += fresh.rejects.items()
        rows += fresh.entry.rows
        check_rejects(rejects, total, max_reject_fraction)
        progress(rows + len(rejects), total)
    check_rejects(rejects, total, max_reject_fraction)


def _embedded(
    job: EmbeddingJob,
    source: Source,
    shards: Sequence[ShardId],
    made: dict[ShardId, EmbeddedShard],
    embedder: Embedder,
) -> Iterator[EmbeddedShard]:
    """Embed the shards that are not made yet, and add them."""
    pending = [shard for shard in shards if shard not in made]
    for fresh in embedder.shards(job, source, pending):
        made[fresh.id] = fresh
        yield fresh


def _still_same(found: dict[ShardId, EmbeddedShard], source: Source, job: EmbeddingJob) -> dict[ShardId, EmbeddedShard]:
    """The shards of an earlier, killed job whose rows have not changed since.

    A job that was killed while it removed pool rows had all shards: those that lack some are made again.
    """
    found = {shard: made for shard, made in found.items() if not any(map(is_removed, made.rejects.values()))}
    recorded = read_source(job.directory)
    if recorded and recorded.same(found_source(source)):
        return found
    return {
        shard: made
        for shard, made in found.items()
        for rows in [slice(shard.number * job.shard_rows, (shard.number + 1) * job.shard_rows)]
        if same_rows(source, shard.split, rows, recorded, read_contents(job.directory, made.entry))
    }


def _begun_with(directory: Path, asked: int | None) -> int:
    """Rows a shard of an unfinished store: what its shards have; of one without shards what is asked for.

    Raises:
        StoreError: its shards have another number of rows than is asked for, or the file that states it is damaged.
    """
    path = directory / SIZE
    if any((directory / "shards").glob("*.parquet")):
        stated = _stated_rows(path) if path.is_file() else SHARD_ROWS
        _check_size(directory, stated, asked)
        return stated
    rows = asked or SHARD_ROWS
    publish(path, str(rows).encode()) if rows != SHARD_ROWS else path.unlink(missing_ok=True)
    return rows


def _stated_rows(path: Path) -> int:
    data = path.read_bytes()
    if not re.fullmatch(rb"[1-9]\d*", data):
        raise StoreError(
            f"{path}: is damaged: {data[:20]!r} is no number of rows; write into it the number that --shard-rows had "
            f"when the store was begun, or delete {path.parent} to embed again"
        )
    return int(data)


def _check_size(directory: Path, stated: int, asked: int | None) -> None:
    if asked not in (None, stated):
        raise StoreError(
            f"{directory}: its shards have {stated} rows each, --shard-rows asks for {asked}; all shards of a store "
            "have the same number: leave --shard-rows out, use another --store, or delete that directory to embed again"
        )


def _job(
    recipe: StoreRecipe, source: Source, weights: str, environment: Environment, device: Device, shard_rows: int
) -> EmbeddingJob:
    # Without the rows, which each shard states; facts and groups, which it does not, are made again if one changed.
    beside: list[JsonValue] = [
        dict(each) for each in (stored_facts(source, recipe.encoder), group_hashes(source)) if each
    ]
    identity = digest([recipe.key, weights, device, shard_rows, *beside])
    directory, allowed = environment.store / recipe.key, allowed_rejects(environment.max_reject_fraction, _rows(source))
    return EmbeddingJob(recipe.encoder, directory, identity, device, shard_rows, environment.row_seconds, allowed)


def _rows(source: Source) -> int:
    return sum(len(split) for split in source.splits.values())


def _repaired(
    store: EmbeddingStore,
    recipe: StoreRecipe,
    source: Source,
    weights: str,
    environment: Environment,
    embedder: Embedder,
) -> EmbeddingStore:
    """Embed the missing and damaged shards of a finished store again; if its arrays exist, no shard is read.

    In a remote store, only missing shards are found: reading all of it here first would cost more than it saves, and
    every shard is checked anyway when its arrays are made.
    """
    if is_remote(store.directory):
        damaged = missing_shards(store)
    else:
        damaged = [] if store.has_arrays else set_damaged_aside(store)
    if not damaged:  # the cluster need not have a machine yet
        return store
    job = _job(recipe, source, weights, environment, embedder.device, store.manifest.shard_rows)
    removed = removed_rows(store.directory)
    again = [without_rows(store.directory, made, removed) for made in embedder.shards(job, source, damaged)]
    return with_rebuilt(store, again, source, job, lambda beside, shards: embedder.shards(beside, source, shards))


def _add_views(
    store: EmbeddingStore,
    wanted: WantedViews,
    encoder: Encoder,
    source: Source,
    environment: Environment,
    embedder: Embedder,
    progress: Progress,
) -> None:
    if not (missing := missing_views(store, wanted)):
        return
    start, device, size = time.monotonic(), embedder.device, store.manifest.shard_rows
    recipe = digest([store.manifest.key, store.manifest.content, device, size])
    job = EmbeddingJob(encoder, store.directory, recipe, device, size, environment.row_seconds, views=wanted)
    for view in missing:
        (job.folder(view) / "shards").mkdir(parents=True, exist_ok=True)
    pool = all_shards(source, size, ["pool"])
    shards = {view: [shard._replace(view=view) for shard in pool] for view in missing}
    every = list(itertools.chain(*shards.values()))
    made = checked_shards(job, every)
    rows, total = sum(shard.entry.rows for shard in made.values()), store.manifest.count("pool") * len(missing)
    progress(rows, total)
    for fresh in _embedded(job, source, every, made, embedder):
        check_same_rows(store.directory, job.folder(fresh.view), [fresh.entry])
        rows += fresh.entry.rows
        progress(rows, total)
    seconds = (time.monotonic() - start) / len(missing)
    for view in missing:
        close_view(store, wanted, view, [made[shard] for shard in shards[view]], seconds)

"""The embedding store on a cluster: what is missing is found, embedded through Ray Data, and closed by a manifest."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from labelbench_ray.augmentations import WantedViews
from labelbench_ray.cluster.pipeline import embed_shards
from labelbench_ray.config import digest
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.augmented import check_same_rows, missing_views
from labelbench_ray.embeddings.damaged_shards import check_same_again, missing_shards, set_damaged_aside
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, all_shards, found_shards
from labelbench_ray.embeddings.finished import check_rejects, check_store, close_store, close_view, without_rows
from labelbench_ray.embeddings.origin import (
    check_same_data,
    check_unchanged,
    found_source,
    read_source,
    same_rows,
    write_source,
)
from labelbench_ray.embeddings.overlaps import is_removed, removed_rows
from labelbench_ray.embeddings.shards import ShardId, read_contents
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Device, Encoder
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.remote import is_remote

if TYPE_CHECKING:
    # At run time it would have every worker import torch and the trainers, some seconds each.
    from labelbench_ray.trial.parts import Parts

SHARD_ROWS = 1024

Progress = Callable[[int, int], None]
"""(rows done, rows in all)"""


def embed(parts: "Parts", environment: Environment, progress: Progress) -> EmbeddingStore:
    """The trial's embedding store with the views that its trainer wants; embeds what is missing there.

    Raises:
        NotProvidedError: data or weights are not on this machine.
        StoreError: the store was made from other data or weights, or a view from another store.
        DataError: too many rows cannot be decoded, or all of a split's, or an embedding is not finite.
    """
    source = parts.dataset.open(environment.data_root)
    weights = parts.encoder.weights()
    directory = environment.store / parts.embedding
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    with locked(directory / "lock"):
        found = (directory / "manifest.json").is_file()
        if not found:
            _make_store(parts, source, weights, environment, directory, progress)
        store = check_store(EmbeddingStore.open(directory), source, weights)
        if found:
            _repair_shards(store, parts, source, weights, environment)
            check_same_data(store, source)
        if wanted := parts.wanted_views:
            _add_views(store, wanted, parts.encoder, source, environment, progress)
    return store


def _make_store(
    parts: "Parts", source: Source, weights: str, environment: Environment, directory: Path, progress: Progress
) -> None:
    start = time.monotonic()
    job = _job(parts, source, weights, directory, environment)
    shards = all_shards(source, SHARD_ROWS)
    made = _still_same(found_shards(job, shards), source, directory)
    write_source(directory, found_source(source))  # before a row is read: what changes after that shows
    total = _rows(source)
    rejects = [item for shard in made.values() for item in shard.rejects.items()]
    rows = sum(shard.entry.rows for shard in made.values())
    progress(rows + len(rejects), total)
    for fresh in _embedded(job, source, shards, made, environment):
        rejects += fresh.rejects.items()
        rows += fresh.entry.rows
        check_rejects(rejects, total, environment.max_reject_fraction)
        progress(rows + len(rejects), total)
    check_rejects(rejects, total, environment.max_reject_fraction)
    check_unchanged(source, parts.dataset.open(environment.data_root))
    seconds = time.monotonic() - start
    close_store(parts.store_recipe, source, weights, directory, [made[shard] for shard in shards], seconds)


def _embedded(
    job: EmbeddingJob,
    source: Source,
    shards: Sequence[ShardId],
    made: dict[ShardId, EmbeddedShard],
    environment: Environment,
) -> Iterator[EmbeddedShard]:
    """Embed the shards that are not made yet, and add them."""
    pending = [shard for shard in shards if shard not in made]
    for fresh in embed_shards(job, source, pending, _actors(job.device, environment)):
        made[fresh.id] = fresh
        yield fresh


def _still_same(found: dict[ShardId, EmbeddedShard], source: Source, directory: Path) -> dict[ShardId, EmbeddedShard]:
    """The shards of an earlier, killed job whose rows have not changed since.

    A job that was killed while it removed rows of the pool had all shards: those that lack some are made again.
    """
    found = {shard: made for shard, made in found.items() if not any(map(is_removed, made.rejects.values()))}
    recorded = read_source(directory)
    if recorded and recorded.same(found_source(source)):
        return found
    return {
        shard: made
        for shard, made in found.items()
        for rows in [slice(shard.number * SHARD_ROWS, (shard.number + 1) * SHARD_ROWS)]
        if same_rows(source, shard.split, rows, recorded, read_contents(directory, made.entry))
    }


def _job(parts: "Parts", source: Source, weights: str, directory: Path, environment: Environment) -> EmbeddingJob:
    device = _device()
    recipe = digest([parts.embedding, weights, device, SHARD_ROWS])  # of the data, each shard states its rows
    most_rejects = int(environment.max_reject_fraction * _rows(source))
    return EmbeddingJob(parts.encoder, directory, recipe, device, SHARD_ROWS, environment.row_seconds, most_rejects)


def _rows(source: Source) -> int:
    return sum(len(split) for split in source.splits.values())


def _repair_shards(
    store: EmbeddingStore, parts: "Parts", source: Source, weights: str, environment: Environment
) -> None:
    """Embed shards of a finished store again that are gone or damaged since; where its arrays are, none is read.

    Of a remote store those that are gone: reading all of it here first would cost more than it saves, and every shard
    is checked anyway when its arrays are made.
    """
    if is_remote(store.directory):
        damaged = missing_shards(store)
    else:
        damaged = [] if store.has_arrays else set_damaged_aside(store)
    if not damaged:  # a cluster that shows no machine to embed on yet is well enough then
        return
    job = _job(parts, source, weights, store.directory, environment)
    removed = removed_rows(store.directory) if parts.dataset.drop_duplicates else {}
    for made in embed_shards(job, source, damaged, _actors(job.device, environment)):
        check_same_again(store, without_rows(store.directory, made, removed))


def _add_views(
    store: EmbeddingStore,
    wanted: WantedViews,
    encoder: Encoder,
    source: Source,
    environment: Environment,
    progress: Progress,
) -> None:
    missing = missing_views(store, wanted)
    if not missing:
        return
    start = time.monotonic()
    device = _device()
    recipe = digest([store.manifest.key, store.manifest.content, device, SHARD_ROWS])
    job = EmbeddingJob(encoder, store.directory, recipe, device, SHARD_ROWS, environment.row_seconds, views=wanted)
    for view in missing:
        (job.folder(view) / "shards").mkdir(parents=True, exist_ok=True)
    pool = all_shards(source, SHARD_ROWS, ["pool"])
    shards = {view: [shard._replace(view=view) for shard in pool] for view in missing}
    every = list(itertools.chain(*shards.values()))
    made = found_shards(job, every)
    rows, total = sum(shard.entry.rows for shard in made.values()), store.manifest.count("pool") * len(missing)
    progress(rows, total)
    for fresh in _embedded(job, source, every, made, environment):
        check_same_rows(store.directory, job.folder(fresh.view), [fresh.entry])
        rows += fresh.entry.rows
        progress(rows, total)
    seconds = (time.monotonic() - start) / len(missing)
    for view in missing:
        close_view(store, wanted, view, [made[shard] for shard in shards[view]], seconds)


def _device() -> Device:
    return "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"


def _actors(device: Device, environment: Environment) -> int:
    if environment.encoder_actors is not None:
        return environment.encoder_actors
    resources = ray.cluster_resources()
    found = int(resources.get("GPU" if device == "cuda" else "CPU", 0))
    if found < 1:
        raise ConfigError(
            "the cluster has no GPU and no CPU yet: start a worker node first (see `min_workers`), or "
            "embedding would not know what to run on"
        )
    return found

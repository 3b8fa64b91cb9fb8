"""Missing and damaged shards of a finished store: found, set aside, and compared once they are embedded again.

A shard that comes out with other bits is accepted where the same device also changes an intact shard of the store, and
only a little: then the device is of another kind. Other rows, other labels and larger differences are refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.manifests import RebuiltShard, publish_manifest
from labelbench_ray.embeddings.origin import read_source
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows, load_shard, read_shard
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import StoreError
from labelbench_ray.storage.atomic import remove
from labelbench_ray.storage.quarantine import set_aside

MOST_DIFFERENCE: Final = 0.05
"""Of an intact shard that is embedded again, relative to its largest value: half precision stays below it, and other
weights do not."""
COMPARED: Final = "compared"
"""The folder in a store where intact shards are embedded again; deleted afterwards."""
Embed = Callable[[EmbeddingJob, Sequence[ShardId]], Iterator[EmbeddedShard]]


def set_damaged_aside(store: EmbeddingStore) -> list[ShardId]:
    """The shards of a finished store that are missing or differ from its manifest; their files are set aside."""
    damaged: list[ShardId] = []
    for entry in store.manifest.shards:
        try:
            store.read(entry)
        except StoreError as error:
            set_aside(store.directory, [store.directory / entry.file], str(error))
            damaged.append(entry.id)
    return damaged


def missing_shards(store: EmbeddingStore) -> list[ShardId]:
    """The shards of a finished store whose files are missing."""
    there = {path.name for path in (store.directory / "shards").iterdir()}
    return [entry.id for entry in store.manifest.shards if PurePosixPath(entry.file).name not in there]


def with_rebuilt(
    store: EmbeddingStore, again: Sequence[EmbeddedShard], source: Source, job: EmbeddingJob, embed: Embed
) -> EmbeddingStore:
    """The store with shards that were embedded again; its manifest states those that have other bits than before.

    Args:
        again: the shards, whose files are in their places.
        embed: embeds further ones; on another device, in a cluster with several kinds, nothing is compared.

    Raises:
        StoreError: one has other rows, or its embeddings are others than a device of another kind would make.
    """
    stated = {entry.file: entry for entry in store.manifest.shards}
    others = [made for made in again if not _is_same(made, stated[made.entry.file])]
    for made in others:
        _check_rows(store, made, stated[made.entry.file], source)
    rebuilt = {each.file: each for each in store.manifest.rebuilt}
    for made in again:
        rebuilt.pop(made.entry.file, None)
    with _compared(job) as beside:
        found: dict[tuple[ShardId, str], float] = {}
        for made in others:
            neighbor = _neighbor(store, made, {each.id for each in again})
            comparison = neighbor.id, made.device
            if comparison not in found:
                found[comparison] = _difference(store, made, neighbor, beside, embed)
            rebuilt[made.entry.file] = RebuiltShard(
                file=made.entry.file,
                sha256=made.entry.sha256,
                compute=made.compute,
                device=made.device,
                compared=neighbor.file,
                largest_difference=found[comparison],
            )
    manifest = store.manifest.model_copy(update={"rebuilt": tuple(rebuilt[file] for file in sorted(rebuilt))})
    if manifest.rebuilt != store.manifest.rebuilt:
        publish_manifest(store.directory, manifest)
    return replace(store, manifest=manifest)


def _is_same(made: EmbeddedShard, stated: ShardEntry) -> bool:
    return made.entry == stated or made.entry.model_copy(update={"contents": ""}) == stated


def _check_rows(store: EmbeddingStore, made: EmbeddedShard, stated: ShardEntry, source: Source) -> None:
    """Refuse rows that are not known to be those of the lost shard; its keys and contents have a hash of their own."""
    recorded = read_source(store.directory)
    same_labels = recorded is not None and recorded.signature == source.signature
    same_rows = bool(stated.contents) and (made.entry.rows, made.entry.contents) == (stated.rows, stated.contents)
    if not (same_labels and same_rows):
        raise _refused(store, made, "it cannot be verified that its rows are the same")


def _neighbor(store: EmbeddingStore, made: EmbeddedShard, others: set[ShardId]) -> ShardEntry:
    """The nearest shard with its original content, of the same split if there is one."""
    entry = made.entry
    near = sorted(store.manifest.shards, key=lambda each: (each.split != entry.split, abs(each.number - entry.number)))
    for each in near:
        if each.rows and each.id not in others:
            try:
                read_shard(store.directory, each)
            except StoreError:
                continue
            return each
    raise _refused(store, made, "no other shard is intact, with which the device could be compared")


@contextmanager
def _compared(job: EmbeddingJob) -> Iterator[EmbeddingJob]:
    """The job with a folder of its own, for shards whose files in the store must stay."""
    directory = job.directory / COMPARED
    remove(directory)
    (directory / "shards").mkdir(parents=True)
    try:
        yield replace(job, directory=directory)
    finally:
        remove(directory)


def _difference(
    store: EmbeddingStore, made: EmbeddedShard, neighbor: ShardEntry, beside: EmbeddingJob, embed: Embed
) -> float:
    """The largest absolute difference between an intact shard's embeddings and those that this device makes."""
    before = read_shard(store.directory, neighbor)
    (again,) = embed(beside, [neighbor.id])
    if again.device != made.device:  # of a cluster with several kinds
        ran = f"the comparison ran on {again.device} instead of {made.device}"
        raise _refused(store, made, ran, "run the command again, put")
    now = load_shard(beside.directory / neighbor.file).rows
    places = {row_id: place for place, row_id in enumerate(now.row_ids)}
    if not places.keys() >= {*before.row_ids}:
        raise _refused(store, made, f"{neighbor.file}, embedded again, lacks some of its rows")
    difference, largest = _apart(before, now, [places[row_id] for row_id in before.row_ids])
    if not difference:
        exact = f"this device reproduces {neighbor.file} exactly, so a different device does not explain the change"
        raise _refused(store, made, exact)
    if difference > MOST_DIFFERENCE * largest:
        reason = f"{neighbor.file}, embedded again, differs by up to {difference:.3g}, where its largest value is "
        raise _refused(store, made, f"{reason}{largest:.3g}: at most {MOST_DIFFERENCE:.0%} of that is accepted")
    return difference


def _apart(before: ShardRows, now: ShardRows, places: Sequence[int]) -> tuple[float, float]:
    """The largest difference, and the largest value before; infinite for other dimensions."""
    before_BD, now_BD = before.embeddings_BD.astype(np.float32), now.embeddings_BD[places].astype(np.float32)
    largest = float(np.abs(before_BD).max())
    return (float(np.abs(before_BD - now_BD).max()) if before_BD.shape == now_BD.shape else np.inf), largest


def _refused(store: EmbeddingStore, made: EmbeddedShard, why: str, fix: str = "put") -> StoreError:
    return StoreError(
        f"{store.directory / made.entry.file}: was damaged, and embedding its rows again on {made.compute!r} gave "
        f"other content than the manifest states (made on {store.manifest.compute!r}); {why}; {fix} the file back from "
        f"a copy, or delete {store.directory} to embed everything again"
    )

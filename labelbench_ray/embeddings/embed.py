"""Embedding as plain functions: read a shard's rows, embed and write them, and close the store with its manifest.

A shard is a stretch of consecutive rows of one split. Whoever embeds it writes it by rename, so a killed job goes
on with the shards that are missing; the manifest is written last, and without it there is no store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray import plugins
from labelbench_ray.costs import NOTHING, Spent, total
from labelbench_ray.datasets import SPLITS, Dataset, Modality, Records, Source
from labelbench_ray.embeddings.cut_texts import note_cut, read_cut
from labelbench_ray.embeddings.decoding import DecodedShard
from labelbench_ray.embeddings.origin import check_same_data, found_source, write_source
from labelbench_ray.embeddings.overlaps import count_overlaps, held_out_rows, remove_rows, write_overlaps
from labelbench_ray.embeddings.shards import (
    LoadedShard,
    ShardEntry,
    ShardRows,
    load_shard,
    read_keys,
    rejects_bytes,
    shard_bytes,
    shard_file,
)
from labelbench_ray.embeddings.store import EmbeddingStore, Manifest
from labelbench_ray.encoders import Device, Encoder, Network
from labelbench_ray.environment import ROW_SECONDS
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.parallel import read_each
from labelbench_ray.storage.versions import versions

Work = tuple[str, int]
"""(split, number) of a shard."""


@dataclass(frozen=True, slots=True)
class StoreRecipe:
    """What an embedding store is made from; the names are those under which the plug-ins were found."""

    key: str
    dataset_name: str
    dataset: Dataset
    encoder_name: str
    encoder: Encoder


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know; small, for it travels with every task."""

    encoder: Encoder
    directory: Path
    recipe: str
    device: Device
    shard_rows: int
    row_seconds: float = ROW_SECONDS
    """A row whose decoding takes longer is rejected."""
    most_rejects: int | None = None
    """Of all rows, as --max-reject-fraction allows."""
    marks: Path | None = None
    """Where workers note what they begin; None: nowhere, and nothing is retried."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished shard, as the manifest needs to know it."""

    entry: ShardEntry
    dimensions: int
    compute: str
    rejects: Mapping[str, str]
    bytes: int
    """Of its file."""
    spent: Spent = NOTHING
    """Nothing for a shard that was found."""


def all_work(source: Source, shard_rows: int) -> list[Work]:
    """Every shard of every split."""
    return [(split, number) for split in SPLITS for number in range(-(-len(source.splits[split]) // shard_rows))]


def read_shard(source: Source, item: Work, shard_rows: int) -> Records:
    """The rows of one shard as they lie in the source."""
    first = item[1] * shard_rows
    return source.splits[item[0]].read(first, first + shard_rows)


def embed_shard(shard: DecodedShard, network: Network, job: Job, item: Work) -> Made:
    """Embed a shard and write its file.

    Raises:
        DataError: an embedding is not finite; names the row.
    """
    note_cut(job.directory, PurePosixPath(shard_file(*item)).stem, network, shard.decoded)
    return write_shard(shard, finite_half(shard, network, job), network, job, item)


def finite_half(shard: DecodedShard, network: Network, job: Job) -> NDArray[np.float16]:
    """(B, D) embeddings of a shard's rows; `DataError` names the first that is not finite."""
    embeddings_BD = network.embed(shard.decoded) if shard.row_ids else np.empty((0, 1), np.float32)
    with np.errstate(over="ignore"):
        half_BD = embeddings_BD.astype(np.float16)
    finite_B = np.isfinite(half_BD).all(axis=1)
    if not finite_B.all():
        wrong = shard.row_ids[int(np.flatnonzero(~finite_B)[0])]
        raise DataError(
            f"row {wrong!r}: its embedding by {job.encoder!r} holds NaN or is beyond float16's 65,504; embeddings must "
            "be finite; mend or remove that row, or use other weights"
        )
    return half_BD


def write_shard(shard: DecodedShard, half_BD: NDArray[np.float16], network: Network, job: Job, item: Work) -> Made:
    """Write a shard's file, which states what made it."""
    rows = ShardRows(list(shard.row_ids), shard.labels_B, half_BD, shard.rejects, shard.contents)
    data = shard_bytes(rows, job.recipe, network.compute)
    publish(job.directory / shard_file(*item), data)
    return _made(item, LoadedShard(rows, job.recipe, network.compute, len(data)))


def found_shards(job: Job, work: Sequence[Work]) -> dict[Work, Made]:
    """The shards that an earlier, killed job finished."""
    there = {path.name for path in (job.directory / "shards").iterdir()}
    named = [item for item in work if PurePosixPath(shard_file(*item)).name in there]
    return {item: made for item, made in zip(named, read_each(partial(found_shard, job), named), strict=True) if made}


def found_shard(job: Job, item: Work) -> Made | None:
    """A shard that an earlier, killed job finished; one that is damaged or of another recipe does not count."""
    path = job.directory / shard_file(*item)
    try:
        shard = load_shard(path)
    except StoreError:
        path.unlink(missing_ok=True)
        return None
    return _made(item, shard) if shard.recipe == job.recipe else None


def _made(item: Work, shard: LoadedShard) -> Made:
    rows = shard.rows
    sha256, contents = rows.sha256(), rows.contents_sha256()
    entry = ShardEntry(split=item[0], number=item[1], rows=len(rows.row_ids), sha256=sha256, contents=contents)
    return Made(entry, rows.embeddings_BD.shape[1], shard.compute, rows.rejects, shard.bytes)


def check_rejects(rejects: Sequence[tuple[str, str]], total: int, limit: float) -> None:
    """`DataError` once the rows that cannot be decoded (row_id, reason) are more than `limit` of all rows."""
    if len(rejects) > limit * total:
        row_id, reason = rejects[0]
        raise DataError(
            f"{len(rejects)} of {total} rows cannot be decoded, more than --max-reject-fraction {limit} allows; the "
            f"first: {row_id!r}: {reason}"
        )


def close_store(
    recipe: StoreRecipe, source: Source, weights: str, directory: Path, made: Sequence[Made], seconds: float
) -> None:
    """Write `rejects.parquet` and then the manifest, once every shard is there."""
    for split in SPLITS:
        if not any(shard.entry.rows for shard in made if shard.entry.split == split):
            raise DataError(
                f"{directory}: no row of the split {split!r} could be decoded; every split needs at least one"
            )
    check_row_ids(directory, made)
    if recipe.dataset.drop_duplicates:
        made = _without_held_out(directory, made, recipe.dataset.modality())
    compute = one_compute(directory, made)
    rejects = [(row_id, shard.entry.split, reason) for shard in made for row_id, reason in shard.rejects.items()]
    publish(directory / "rejects.parquet", rejects_bytes(rejects))
    write_source(directory, found_source(source))
    entries = [shard.entry for shard in made]
    write_overlaps(directory, count_overlaps(directory, entries, recipe.dataset.modality()))
    spent = total(shard.spent for shard in made)
    manifest = Manifest(
        key=recipe.key,
        dataset=plugins.recipe(recipe.dataset_name, recipe.dataset),
        encoder=plugins.recipe(recipe.encoder_name, recipe.encoder),
        signature=source.signature,
        weights=weights,
        preprocessing=recipe.encoder.preprocessing(),
        compute=compute,
        classes=source.classes,
        dimensions=next(shard.dimensions for shard in made if shard.entry.rows),
        rejects=len(rejects),
        cut=read_cut(directory),
        seconds=seconds,
        cpu_seconds=spent.cpu,
        gpu_seconds=spent.gpu,
        bytes_written=sum(shard.bytes for shard in made),
        shards=tuple(shard.entry for shard in made),
        versions=versions(),
    )
    publish_manifest(directory, manifest)


def _without_held_out(directory: Path, made: Sequence[Made], modality: Modality) -> list[Made]:
    """The shards without the rows of the pool that a test or validation row equals."""
    removed = held_out_rows(directory, [shard.entry for shard in made], modality)
    now = [without_rows(directory, shard, removed) for shard in made]
    if not any(shard.entry.rows for shard in now if shard.entry.split == "pool"):
        raise DataError(
            f"{directory}: every row of the pool is in the test or the validation set too, so drop_duplicates leaves "
            "none; use other splits"
        )
    return now


def without_rows(directory: Path, made: Made, removed: Mapping[str, str]) -> Made:
    """A shard of the pool, written again without the rows that are to be removed (row_id, reason)."""
    if made.entry.split != "pool":
        return made
    loaded = remove_rows(directory / made.entry.file, removed)
    return replace(_made((made.entry.split, made.entry.number), loaded), spent=made.spent) if loaded else made


def publish_manifest(directory: Path, manifest: Frozen) -> None:
    """Write what makes the shards of a folder a whole, and clear away what killed processes left beside them."""
    publish(directory / "manifest.json", manifest.model_dump_json(indent=1).encode())
    for draft in (directory / "shards").glob(".*.draft"):
        draft.unlink(missing_ok=True)


def one_compute(directory: Path, made: Sequence[Made]) -> str:
    """The compute path that made all of these shards; `StoreError` where there are several."""
    compute = sorted({shard.compute for shard in made if shard.entry.rows})
    if len(compute) != 1:
        raise StoreError(
            f"{directory}: parts were embedded by different compute paths ({', '.join(compute)}); delete that "
            "directory to embed again"
        )
    return compute[0]


def check_row_ids(directory: Path, made: Sequence[Made]) -> None:
    """Refuse a split in which two rows have the same key; reads the keys alone."""
    for split in SPLITS:
        files = [directory / shard.entry.file for shard in made if shard.entry.split == split and shard.entry.rows]
        row_ids = pa.chunked_array(read_each(_row_ids, files))
        if pc.count_distinct(row_ids).as_py() < len(row_ids):
            counts = pc.value_counts(row_ids)
            twice = counts.field("values")[pc.index(pc.greater(counts.field("counts"), 1), True).as_py()]
            raise DataError(
                f"row_id {twice.as_py()!r} is repeated in the split {split!r}; ids are the keys of rows and must be "
                "distinct; rename one"
            )


def _row_ids(file: Path) -> pa.StringArray:
    """Packed at once: as texts of Python's, those of a large pool would take ten times as much memory."""
    return pa.array(read_keys(file).row_ids, pa.string())


def check_store(store: EmbeddingStore, source: Source, weights: str) -> EmbeddingStore:
    """Refuse a store that was made from other data or weights than are here now."""
    check_same_data(store, source)
    if (stated := store.manifest.weights) != weights:
        raise StoreError(
            f"{store.directory}: was made from other weights (hash {stated[:12]}, here {weights[:12]}); use another "
            "--store, or delete that directory to embed again"
        )
    return store

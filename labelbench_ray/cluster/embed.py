"""Embedding a data set with Ray Data: read and decode in CPU tasks, embed in a pool of actors, one shard at a time.

A shard is `SHARD_ROWS` consecutive rows of a split. It travels as one row of a Ray data set and is written, by
rename, by the actor that embeds it; the driver handles one line for each shard. A killed job goes on with the
shards that are missing. Ray Data keeps no order, but a shard knows its number.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayTaskError

from labelbench_ray import plugins
from labelbench_ray.atomic import locked, publish
from labelbench_ray.config import digest
from labelbench_ray.datasets import SPLITS, Records, Source
from labelbench_ray.encoders import Decoded, Device, Encoder
from labelbench_ray.environment import Environment
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.parts import Parts
from labelbench_ray.shards import LoadedShard, ShardRows, load_shard, rejects_bytes, shard_bytes
from labelbench_ray.store import EmbeddingStore, Manifest, ShardEntry, shard_file

SHARD_ROWS = 1024
# Actors that took whole CPUs would starve the tasks that feed them; the operating system shares the cores well enough.
CPUS_PER_ACTOR = 0.5
# Another figure than the actors', or Ray Data would fuse reading into them, and a GPU would wait for the decoding.
CPUS_PER_READER = 0.25

Progress = Callable[[int, int], None]
"""(rows done, rows in all)"""
Work = tuple[str, int]
"""(split, number) of a shard."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the workers need to know; small, for it travels with every task."""

    encoder: Encoder
    directory: Path
    recipe: str
    device: Device


@dataclass(frozen=True, slots=True)
class Made:
    """A finished shard, as the driver needs to know it."""

    entry: ShardEntry
    dimensions: int
    compute: str
    rejects: dict[str, str]


def embed(parts: Parts, environment: Environment, progress: Progress) -> EmbeddingStore:
    """The trial's embedding store; embeds what is missing, and nothing when nothing is.

    Raises:
        NotProvidedError: data or weights are not on this machine.
        StoreError: the store was made from other data or weights, or an embedding is not finite.
        DataError: too many rows cannot be decoded, or all of a split's.
    """
    source = parts.dataset.open(environment.data_root)
    weights = parts.encoder.weights()
    directory = environment.store / parts.embedding
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    with locked(directory / "lock"):
        if not (directory / "manifest.json").exists():
            _make_store(parts, source, weights, environment, directory, progress)
    return check_store(EmbeddingStore.open(directory), source, weights)


def check_store(store: EmbeddingStore, source: Source, weights: str) -> EmbeddingStore:
    """Refuse a store that was made from other data or weights than are here now."""
    for what, stated, found in (
        ("data", store.manifest.signature, source.signature),
        ("weights", store.manifest.weights, weights),
    ):
        if stated != found:
            raise StoreError(
                f"{store.directory}: was made from other {what} (hash {stated[:12]}, here {found[:12]}); use "
                "another --store, or delete that directory to embed again"
            )
    return store


def _make_store(
    parts: Parts, source: Source, weights: str, environment: Environment, directory: Path, progress: Progress
) -> None:
    start = time.monotonic()
    device: Device = "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
    recipe = digest([parts.embedding, source.signature, weights, device, SHARD_ROWS])
    job = Job(parts.encoder, directory, recipe, device)
    work = [(split, number) for split in SPLITS for number in range(-(-len(source.splits[split]) // SHARD_ROWS))]
    made = {item: found for item in work if (found := _found(job, item))}
    total = sum(len(split) for split in source.splits.values())
    for fresh in _embed_shards(job, source, [item for item in work if item not in made]):
        made[fresh.entry.split, fresh.entry.number] = fresh
        rejected = sum(len(shard.rejects) for shard in made.values())
        _check_rejects(made, rejected, total, environment.max_reject_fraction)
        progress(sum(shard.entry.rows for shard in made.values()) + rejected, total)
    _publish(parts, source, weights, directory, [made[item] for item in work], time.monotonic() - start)


def _found(job: Job, item: Work) -> Made | None:
    """A shard that an earlier, killed job finished; one that is damaged or of another recipe is embedded again."""
    path = job.directory / shard_file(*item)
    if not path.exists():
        return None
    try:
        shard = load_shard(path)
    except StoreError:
        path.unlink()
        return None
    return _made(item, shard) if shard.recipe == job.recipe else None


def _made(item: Work, shard: LoadedShard) -> Made:
    rows = shard.rows
    entry = ShardEntry(split=item[0], number=item[1], rows=len(rows.row_ids), sha256=rows.sha256())
    return Made(entry, rows.embeddings_BD.shape[1], shard.compute, dict(rows.rejects))


def _embed_shards(job: Job, source: Source, pending: list[Work]) -> Iterator[Made]:
    if not pending:
        return
    resources = ray.cluster_resources()
    actors = int(resources["GPU"]) if job.device == "cuda" else max(1, int(resources.get("CPU", 1)))
    DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items(
        [{"split": split, "number": number} for split, number in pending], override_num_blocks=len(pending)
    )
    # The opened source may list millions of files: workers fetch it once a node instead of once a task.
    read = rows.map(partial(_read_and_decode, job=job, source=ray.put(source)), num_cpus=CPUS_PER_READER)
    embedded = read.map(
        EmbedActor,  # type: ignore[arg-type]
        fn_constructor_args=(job,),
        compute=ActorPoolStrategy(size=min(actors, len(pending))),
        num_cpus=0 if job.device == "cuda" else CPUS_PER_ACTOR,
        num_gpus=1 if job.device == "cuda" else 0,
    )
    try:
        for row in embedded.iter_rows():
            yield Made(
                ShardEntry.model_validate_json(row["entry"]),
                row["dimensions"],
                row["compute"],
                json.loads(row["rejects"]),
            )
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, ValueError) else error) from None


def _read_and_decode(row: dict[str, Any], job: Job, source: Any) -> dict[str, Any]:  # noqa: ANN401  an object reference
    split: str = row["split"]
    first = row["number"] * SHARD_ROWS
    records: Records = ray.get(source).splits[split].read(first, first + SHARD_ROWS)
    kept: list[int] = []
    decoded: list[Decoded] = []
    rejects: dict[str, str] = {}
    for place in np.argsort(np.asarray(records.row_ids, dtype=object), kind="stable").tolist():
        try:
            decoded.append(job.encoder.decode(records.payloads[place]))
        except (ValueError, OSError) as error:
            rejects[records.row_ids[place]] = str(error)
        else:
            kept.append(place)
    arrays = decoded and isinstance(decoded[0], np.ndarray)
    return row | {
        "row_ids": [records.row_ids[place] for place in kept],
        "labels": records.labels_B[kept],
        "decoded": np.stack(decoded) if arrays else decoded,
        "rejects": json.dumps(rejects),
    }


class EmbedActor:
    """Holds the network; embeds a shard, writes it, and returns what the manifest says of it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._network = job.encoder.load(job.device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        item: Work = (row["split"], int(row["number"]))
        row_ids = [str(row_id) for row_id in row["row_ids"]]
        embeddings_BD = self._network.embed(row["decoded"]) if row_ids else np.empty((0, 1), np.float32)
        with np.errstate(over="ignore"):
            half_BD = embeddings_BD.astype(np.float16)
        _check_finite(half_BD, row_ids, self._job.encoder)
        shard = ShardRows(row_ids, np.asarray(row["labels"], np.int64), half_BD, json.loads(row["rejects"]))
        path = self._job.directory / shard_file(*item)
        publish(path, shard_bytes(shard, self._job.recipe, self._network.compute))
        made = _made(item, LoadedShard(shard, self._job.recipe, self._network.compute))
        return {
            "entry": made.entry.model_dump_json(),
            "dimensions": made.dimensions,
            "compute": made.compute,
            "rejects": row["rejects"],
        }


def _check_finite(half_BD: np.ndarray, row_ids: list[str], encoder: Encoder) -> None:
    finite_B = np.isfinite(half_BD).all(axis=1)
    if not finite_B.all():
        wrong = row_ids[int(np.flatnonzero(~finite_B)[0])]
        raise StoreError(
            f"row {wrong!r}: its embedding by {encoder!r} holds NaN or is beyond float16's 65,504; embeddings "
            "must be finite; mend or remove that row, or use other weights"
        )


def _check_rejects(made: dict[Work, Made], rejected: int, total: int, limit: float) -> None:
    if rejected > limit * total:
        row_id, reason = next(item for shard in made.values() for item in shard.rejects.items())
        raise DataError(
            f"{rejected} of {total} rows cannot be decoded, more than --max-reject-fraction {limit} allows; the "
            f"first: {row_id!r}: {reason}"
        )


def _publish(parts: Parts, source: Source, weights: str, directory: Path, made: list[Made], seconds: float) -> None:
    _check_splits(directory, made)
    compute = {shard.compute for shard in made if shard.entry.rows}
    if len(compute) != 1:
        raise StoreError(
            f"{directory}: parts were embedded by different compute paths ({', '.join(sorted(compute))}); delete "
            "that directory to embed again"
        )
    publish(
        directory / "rejects.parquet",
        rejects_bytes(
            (row_id, shard.entry.split, reason) for shard in made for row_id, reason in shard.rejects.items()
        ),
    )
    trial = parts.trial
    manifest = Manifest(
        key=parts.embedding,
        dataset=plugins.recipe(trial.dataset.name, parts.dataset),
        encoder=plugins.recipe(trial.encoder.name, parts.encoder),
        signature=source.signature,
        weights=weights,
        preprocessing=parts.encoder.preprocessing(),
        compute=compute.pop(),
        classes=source.classes,
        dimensions=next(shard.dimensions for shard in made if shard.entry.rows),
        rejects=sum(len(shard.rejects) for shard in made),
        seconds=seconds,
        shards=tuple(shard.entry for shard in made),
    )
    publish(directory / "manifest.json", manifest.model_dump_json(indent=1).encode())
    for draft in (directory / "shards").glob(".*.draft"):
        draft.unlink()


def _check_splits(directory: Path, made: list[Made]) -> None:
    for split in SPLITS:
        if not any(shard.entry.rows for shard in made if shard.entry.split == split):
            raise DataError(
                f"{directory}: no row of the split {split!r} could be decoded; every split needs at least one"
            )

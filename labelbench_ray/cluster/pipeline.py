"""Embedding with Ray Data: read and decode in CPU tasks, embed in a pool of actors, one shard at a time.

A shard travels as one row of a Ray data set, and the actor that embeds it writes it; the driver handles one line
for each shard. Ray Data keeps no order, but a shard knows its number. A shard of which augmented views are missing is
decoded once for all of them, and each of its views travels as a row of its own.
"""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset

from labelbench_ray.augmenting import Pair, ViewsJob, augment, embed_pair
from labelbench_ray.costs import Spent, Stopwatch
from labelbench_ray.datasets import Source
from labelbench_ray.embedding import DecodedShard, Job, Made, Work, decode_shard, embed_shard, packed, read_shard
from labelbench_ray.encoders import Device
from labelbench_ray.errors import DataError
from labelbench_ray.shards import ShardEntry

# Actors that took whole CPUs would starve the tasks that feed them; the operating system shares the cores well enough.
CPUS_PER_ACTOR = 0.5
# Another figure than the actors', or Ray Data would fuse reading into them, and a GPU would wait for the decoding.
CPUS_PER_READER = 0.25


def embed_shards(job: Job, source: Source, pending: list[Work], actors: int) -> Iterator[Made]:
    """Embed these shards; each as it is finished.

    Raises:
        DataError: the source is not what it says, or an embedding is not finite.
    """
    if not pending:
        return
    # The opened source may list millions of files: workers fetch it once a node instead of once a task.
    read = partial(_read_and_decode, job=job, source=ray.put(source))
    decoded = _rows([{"split": split, "number": number} for split, number in pending]).map(
        read, num_cpus=CPUS_PER_READER
    )
    for row in _embedded(decoded, EmbedActor, job, job.device, min(actors, len(pending))):
        yield _made(row)


def embed_views(
    job: ViewsJob, source: Source, pending: dict[Work, list[int]], actors: int
) -> Iterator[tuple[int, Made]]:
    """The same for the views that each shard lacks; with the number of the view."""
    if not pending:
        return
    read = partial(_read_and_augment, job=job, source=ray.put(source))
    items = [{"split": split, "number": number, "views": views} for (split, number), views in pending.items()]
    augmented = _rows(items).flat_map(read, num_cpus=CPUS_PER_READER)
    for row in _embedded(augmented, EmbedPairActor, job, job.store.device, min(actors, len(pending))):
        yield int(row["view"]), _made(row)


def _rows(items: list[dict[str, Any]]) -> Dataset:
    DataContext.get_current().enable_progress_bars = False
    return ray.data.from_items(items, override_num_blocks=len(items))


def _embedded(decoded: Dataset, actor: type, job: Job | ViewsJob, device: Device, actors: int) -> Iterator[dict]:
    embedded = decoded.map(
        actor,
        fn_constructor_args=(job,),
        compute=ActorPoolStrategy(size=actors),
        num_cpus=0 if device == "cuda" else CPUS_PER_ACTOR,
        num_gpus=1 if device == "cuda" else 0,
    )
    for row in embedded.iter_rows():
        if row["error"]:
            raise DataError(row["error"])
        yield row


def _made(row: dict[str, Any]) -> Made:
    entry = ShardEntry.model_validate_json(row["entry"])
    spent = Spent(cpu=row["cpu"], gpu=row["gpu"])
    return Made(entry, row["dimensions"], row["compute"], json.loads(row["rejects"]), int(row["bytes"]), spent)


def _read_and_decode(row: dict[str, Any], job: Job, source: Any) -> dict[str, Any]:  # noqa: ANN401  an object reference
    item: Work = (row["split"], int(row["number"]))
    start = time.process_time()
    try:
        shard = decode_shard(read_shard(ray.get(source), item, job.shard_rows), job.encoder)
    except DataError as error:
        # A mistake of the user's travels as data: an exception would reach the driver wrapped and without its class.
        return row | {"error": str(error)}
    cpu = time.process_time() - start
    return row | _columns(shard) | {"error": "", "decoded": packed(shard.decoded), "cpu": cpu}


def _read_and_augment(row: dict[str, Any], job: ViewsJob, source: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    item: Work = (row["split"], int(row["number"]))
    views = [int(view) for view in row["views"]]
    row = {"split": item[0], "number": item[1]}
    start = time.process_time()
    try:
        shard = decode_shard(read_shard(ray.get(source), item, job.store.shard_rows), job.store.encoder)
    except DataError as error:
        yield row | {"error": str(error)}
        return
    for view in views:
        pair = augment(shard, job.augmentation, view)
        forms = {"weak": pair.weak.decoded, "strong": pair.strong.decoded}
        # The decoding counts for the first view of a shard.
        cpu, start = time.process_time() - start, time.process_time()
        yield row | _columns(shard) | forms | {"error": "", "view": view, "cpu": cpu}


def _columns(shard: DecodedShard) -> dict[str, Any]:
    return {"row_ids": shard.row_ids, "labels": shard.labels_B, "rejects": json.dumps(shard.rejects)}


def _shard(row: dict[str, Any], column: str) -> DecodedShard:
    row_ids, labels_B = [str(row_id) for row_id in row["row_ids"]], np.asarray(row["labels"], np.int64)
    return DecodedShard(row_ids, labels_B, row[column], json.loads(row["rejects"]))


def _told(made: Made, row: dict[str, Any], watch: Stopwatch) -> dict[str, Any]:
    spent = watch.lap()["embed"]
    return {
        "error": "",
        "cpu": row["cpu"] + spent.cpu,
        "gpu": spent.gpu,
        "entry": made.entry.model_dump_json(),
        "dimensions": made.dimensions,
        "bytes": made.bytes,
        "compute": made.compute,
        "rejects": json.dumps(dict(made.rejects)),
    }


class EmbedActor:
    """Holds the network; embeds and writes a shard, and returns what the manifest says of it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._watch = Stopwatch()
        with self._watch.stage("embed", gpus=job.device == "cuda"):
            self._network = job.encoder.load(job.device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["error"]:
            return {"error": row["error"]}
        try:
            with self._watch.stage("embed", gpus=self._job.device == "cuda"):
                made = embed_shard(_shard(row, "decoded"), self._network, self._job, (row["split"], int(row["number"])))
        except DataError as error:
            return {"error": str(error)}
        return _told(made, row, self._watch)


class EmbedPairActor:
    """The same for one augmented view of a shard."""

    def __init__(self, job: ViewsJob) -> None:
        self._job = job
        self._watch = Stopwatch()
        with self._watch.stage("embed", gpus=job.store.device == "cuda"):
            self._network = job.store.encoder.load(job.store.device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["error"]:
            return {"error": row["error"]}
        pair, view = Pair(_shard(row, "weak"), _shard(row, "strong")), int(row["view"])
        try:
            with self._watch.stage("embed", gpus=self._job.store.device == "cuda"):
                made = embed_pair(pair, self._network, self._job.view(view), (row["split"], int(row["number"])))
        except DataError as error:
            return {"error": str(error)}
        return _told(made, row, self._watch) | {"view": view}

"""Embedding with Ray Data: read and decode in CPU tasks, embed in a pool of actors, one shard at a time.

A shard travels as one row of a Ray data set, and the actor that embeds it writes it; the driver handles one line
for each shard. Ray Data keeps no order, but a shard knows its number. A shard of which augmented views are missing is
decoded once for all of them, and each of its views travels as a row of its own.

Ray repeats what a worker did that died. Marks on disk count the deaths of each shard: after two in its decoding the
rows are decoded in child processes, where a row that kills becomes a reject; a shard whose reading or embedding goes on
killing ends the command by its name.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import ray
import ray.exceptions
from ray.data import ActorPoolStrategy, DataContext, Dataset

from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.costs import Spent, Stopwatch
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.attempts import marks
from labelbench_ray.embeddings.contents import RowContents
from labelbench_ray.embeddings.decoding import DecodedShard, packed
from labelbench_ray.embeddings.embed import Job, Made, Work, embed_shard
from labelbench_ray.embeddings.embed_augmented import Pair, ViewsJob, embed_pair
from labelbench_ray.embeddings.shard_attempts import DIED, augmented, begun, decoded_shard, named, work_of
from labelbench_ray.embeddings.shards import ShardEntry, read_rejects, shard_file
from labelbench_ray.encoders import Device, Network
from labelbench_ray.errors import DataError, UserError

# Actors that took whole CPUs would starve the tasks that feed them; the operating system shares the cores well enough.
CPUS_PER_ACTOR = 0.5
# Another figure than the actors', or Ray Data would fuse reading into them, and a GPU would wait for the decoding.
CPUS_PER_READER = 0.25
TASK_RETRIES, ACTOR_RESTARTS = 10, 100
"""Ray's own limits, which end what the counts of `shard_attempts` cannot see. A task of an actor is repeated without
limit: while a lost node is not yet declared dead, any number is spent within seconds."""


def embed_shards(job: Job, source: Source, pending: list[Work], actors: int) -> Iterator[Made]:
    """Embed these shards; each as it is finished.

    Raises:
        DataError: the source is not what it says, or an embedding is not finite.
    """
    if not pending:
        return
    with marks(job.directory) as folder:
        job = replace(job, marks=folder)
        # The opened source may list millions of files: workers fetch it once a node instead of once a task.
        read = partial(_read_and_decode, job=job, source=ray.put(source))
        with _limits_by_keyword():
            decoded = _rows([{"split": split, "number": number} for split, number in pending]).map(
                read, num_cpus=CPUS_PER_READER, max_retries=TASK_RETRIES
            )
        for row in _embedded(decoded, EmbedActor, job, job.device, min(actors, len(pending))):
            yield _made(row)


def embed_views(
    job: ViewsJob, source: Source, pending: dict[Work, list[int]], actors: int
) -> Iterator[tuple[int, Made]]:
    """The same for the views that each shard lacks; with the number of the view."""
    if not pending:
        return
    with marks(job.store.directory) as folder:
        job = replace(job, store=replace(job.store, marks=folder))
        read = partial(_read_and_augment, job=job, source=ray.put(source))
        items = [{"split": split, "number": number, "views": views} for (split, number), views in pending.items()]
        with _limits_by_keyword():
            pairs = _rows(items).flat_map(read, num_cpus=CPUS_PER_READER, max_retries=TASK_RETRIES)
        for row in _embedded(pairs, EmbedPairActor, job, job.store.device, min(actors, len(pending))):
            yield int(row["view"]), _made(row)


@contextmanager
def _limits_by_keyword() -> Iterator[None]:
    """Hide Ray's warning that these keywords will get another form: this version has no other for retries."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        yield


def _rows(items: list[dict[str, Any]]) -> Dataset:
    DataContext.get_current().enable_progress_bars = False
    return ray.data.from_items(items, override_num_blocks=len(items))


def _embedded(decoded: Dataset, actor: type, job: Job | ViewsJob, device: Device, actors: int) -> Iterator[dict]:
    with _limits_by_keyword():
        embedded = decoded.map(
            actor,
            fn_constructor_args=(job,),
            compute=ActorPoolStrategy(size=actors),
            num_cpus=0 if device == "cuda" else CPUS_PER_ACTOR,
            num_gpus=1 if device == "cuda" else 0,
            max_restarts=ACTOR_RESTARTS,
            max_task_retries=-1,
        )
    try:
        for row in embedded.iter_rows():
            if row["error"]:
                raise DataError(row["error"])
            yield row
    except ray.exceptions.RayError as error:
        if not is_death(error):
            raise
        raise DataError(
            f"embedding ended: its workers died again and again ({DIED}), outside of any shard; see Ray's logs of the "
            "workers, and run the same command again, which keeps the finished shards"
        ) from error


def _made(row: dict[str, Any]) -> Made:
    entry = ShardEntry.model_validate_json(row["entry"])
    spent = Spent(cpu=row["cpu"], gpu=row["gpu"])
    return Made(entry, row["dimensions"], row["compute"], json.loads(row["rejects"]), int(row["bytes"]), spent)


def _cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _read_and_decode(row: dict[str, Any], job: Job, source: Any) -> dict[str, Any]:  # noqa: ANN401  an object reference
    item: Work = (row["split"], int(row["number"]))
    start = _cpu_seconds()
    try:
        shard = decoded_shard(job, ray.get(source), item)
    except UserError as error:
        # A mistake of the user's travels as data: an exception would reach the driver wrapped and without its class.
        return row | {"error": str(error)}
    cpu = _cpu_seconds() - start
    return row | _columns(shard) | {"error": "", "decoded": packed(shard.decoded), "cpu": cpu}


def _read_and_augment(row: dict[str, Any], job: ViewsJob, source: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    item: Work = (row["split"], int(row["number"]))
    views = [int(view) for view in row["views"]]
    row = {"split": item[0], "number": item[1]}
    start = _cpu_seconds()
    try:
        shard = decoded_shard(job.store, ray.get(source), item, read_rejects(job.store.directory / shard_file(*item)))
    except UserError as error:
        yield row | {"error": str(error)}
        return
    for view in views:
        try:
            pair = augmented(shard, job, view, item)
        except UserError as error:
            yield row | {"error": str(error)}
            return
        forms = {"weak": pair.weak.decoded, "strong": pair.strong.decoded}
        # The decoding counts for the first view of a shard.
        cpu, start = _cpu_seconds() - start, _cpu_seconds()
        yield row | _columns(pair.weak) | forms | {"error": "", "view": view, "cpu": cpu}


def _columns(shard: DecodedShard) -> dict[str, Any]:
    return {
        "row_ids": shard.row_ids,
        "labels": shard.labels_B,
        "rejects": json.dumps(shard.rejects),
        "contents": shard.contents.model_dump_json() if shard.contents else "",
    }


def _shard(row: dict[str, Any], column: str) -> DecodedShard:
    row_ids, labels_B = [str(row_id) for row_id in row["row_ids"]], np.asarray(row["labels"], np.int64)
    contents = RowContents.model_validate_json(row["contents"]) if row["contents"] else None
    return DecodedShard(row_ids, labels_B, row[column], json.loads(row["rejects"]), contents)


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
    """Holds the network; embeds and writes a shard, and returns what the manifest states of it."""

    def __init__(self, job: Job) -> None:
        self._loaded = Loaded(job)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        def embed(network: Network, job: Job, item: Work) -> Made:
            return embed_shard(_shard(row, "decoded"), network, job, item)

        return self._loaded.embed(row, "embed", embed)


class EmbedPairActor:
    """The same for one augmented view of a shard."""

    def __init__(self, job: ViewsJob) -> None:
        self._job = job
        self._loaded = Loaded(job.store)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        def embed(network: Network, job: Job, item: Work) -> Made:
            pair = Pair(_shard(row, "weak"), _shard(row, "strong"))
            return embed_pair(pair, network, self._job.view(int(row["view"])), item)

        return self._loaded.embed(row, f"embed-{row.get('view')}", embed) | {"view": row.get("view")}


class Loaded:
    """A network in an actor, and what it takes."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._watch = Stopwatch()
        self._error = ""
        # An actor keeps its id when Ray restarts it.
        try:
            actor = ray.get_runtime_context().get_actor_id()
            with begun(job, f"load-{actor}", f"loading {job.encoder!r}"), self._stage():
                self._network = job.encoder.load(job.device)
        except DataError as error:
            self._error = str(error)

    def embed(self, row: dict[str, Any], work: str, embed: Callable[[Network, Job, Work], Made]) -> dict[str, Any]:
        """What to tell of a shard; an error of the user's travels as data."""
        if error := row["error"] or self._error:
            return {"error": error}
        item: Work = (row["split"], int(row["number"]))
        try:
            what = f"{named(self._job, item)}: embedding it by {self._job.encoder!r}"
            with begun(self._job, work_of(work, item), what), self._stage():
                made = embed(self._network, self._job, item)
        except DataError as error:
            return {"error": str(error)}
        return _told(made, row, self._watch)

    def _stage(self) -> AbstractContextManager[None]:
        return self._watch.stage("embed", gpus=self._job.device == "cuda")

"""Embedding with Ray Data: read and decode in CPU tasks, embed in a pool of actors, one shard at a time.

A shard travels as one row of a Ray data set, and the actor that embeds it writes it; the driver handles one line
for each shard. Ray Data keeps no order, but a shard knows its number.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext

from labelbench_ray.atomic import locked
from labelbench_ray.config import digest
from labelbench_ray.costs import Spent, Stopwatch
from labelbench_ray.datasets import Source
from labelbench_ray.embedding import (
    DecodedShard,
    Job,
    Made,
    Work,
    all_work,
    check_rejects,
    check_store,
    close_store,
    decode_shard,
    embed_shard,
    found_shard,
    read_shard,
)
from labelbench_ray.encoders import Device
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.store import EmbeddingStore, ShardEntry

if TYPE_CHECKING:
    # At run time it would have every worker import torch and the trainers, some seconds each.
    from labelbench_ray.parts import Parts

SHARD_ROWS = 1024
# Actors that took whole CPUs would starve the tasks that feed them; the operating system shares the cores well enough.
CPUS_PER_ACTOR = 0.5
# Another figure than the actors', or Ray Data would fuse reading into them, and a GPU would wait for the decoding.
CPUS_PER_READER = 0.25

Progress = Callable[[int, int], None]
"""(rows done, rows in all)"""


def embed(parts: "Parts", environment: Environment, progress: Progress) -> EmbeddingStore:
    """The trial's embedding store; embeds what is missing, and nothing when nothing is.

    Raises:
        NotProvidedError: data or weights are not on this machine.
        StoreError: the store was made from other data or weights.
        DataError: too many rows cannot be decoded, or all of a split's, or an embedding is not finite.
    """
    source = parts.dataset.open(environment.data_root)
    weights = parts.encoder.weights()
    directory = environment.store / parts.embedding
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    with locked(directory / "lock"):
        if not (directory / "manifest.json").exists():
            _make_store(parts, source, weights, environment, directory, progress)
    return check_store(EmbeddingStore.open(directory), source, weights)


def _make_store(
    parts: "Parts", source: Source, weights: str, environment: Environment, directory: Path, progress: Progress
) -> None:
    start = time.monotonic()
    device: Device = "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
    recipe = digest([parts.embedding, source.signature, weights, device, SHARD_ROWS])
    job = Job(parts.encoder, directory, recipe, device, SHARD_ROWS)
    work = all_work(source, SHARD_ROWS)
    made = {item: found for item in work if (found := found_shard(job, item))}
    total = sum(len(split) for split in source.splits.values())
    rejects = [item for shard in made.values() for item in shard.rejects.items()]
    rows = sum(shard.entry.rows for shard in made.values())
    pending = [item for item in work if item not in made]
    for fresh in _embed_shards(job, source, pending, _actors(device, environment)):
        made[fresh.entry.split, fresh.entry.number] = fresh
        rejects += fresh.rejects.items()
        rows += fresh.entry.rows
        check_rejects(rejects, total, environment.max_reject_fraction)
        progress(rows + len(rejects), total)
    check_rejects(rejects, total, environment.max_reject_fraction)
    close_store(parts, source, weights, directory, [made[item] for item in work], time.monotonic() - start)


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


def _embed_shards(job: Job, source: Source, pending: list[Work], actors: int) -> Iterator[Made]:
    if not pending:
        return
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
    for row in embedded.iter_rows():
        if row["error"]:
            raise DataError(row["error"])
        entry = ShardEntry.model_validate_json(row["entry"])
        spent = Spent(cpu=row["cpu"], gpu=row["gpu"])
        yield Made(entry, row["dimensions"], row["compute"], json.loads(row["rejects"]), spent)


def _read_and_decode(row: dict[str, Any], job: Job, source: Any) -> dict[str, Any]:  # noqa: ANN401  an object reference
    item: Work = (row["split"], int(row["number"]))
    start = time.process_time()
    try:
        shard = decode_shard(read_shard(ray.get(source), item, job.shard_rows), job.encoder)
    except DataError as error:
        # A mistake of the user's travels as data: an exception would reach the driver wrapped and without its class.
        return row | {"error": str(error)}
    arrays = shard.decoded and isinstance(shard.decoded[0], np.ndarray)
    return row | {
        "error": "",
        "row_ids": shard.row_ids,
        "labels": shard.labels_B,
        "decoded": np.stack(shard.decoded) if arrays else shard.decoded,
        "rejects": json.dumps(shard.rejects),
        "cpu": time.process_time() - start,
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
        labels_B = np.asarray(row["labels"], np.int64)
        shard = DecodedShard(
            [str(row_id) for row_id in row["row_ids"]], labels_B, row["decoded"], json.loads(row["rejects"])
        )
        try:
            with self._watch.stage("embed", gpus=self._job.device == "cuda"):
                made = embed_shard(shard, self._network, self._job, (row["split"], int(row["number"])))
        except DataError as error:
            return {"error": str(error)}
        spent = self._watch.lap()["embed"]
        return {
            "error": "",
            "entry": made.entry.model_dump_json(),
            "dimensions": made.dimensions,
            "compute": made.compute,
            "rejects": row["rejects"],
            "cpu": row["cpu"] + spent.cpu,
            "gpu": spent.gpu,
        }

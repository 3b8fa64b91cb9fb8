"""Embedding with Ray Data: read and decode in CPU tasks, embed in a pool of actors, one shard at a time.

A shard travels as one row of a Ray data set, and the actor that embeds it writes it; the driver handles one line
for each shard. Ray Data keeps no order, but a shard knows its number. Rows of which several augmented views are missing
are decoded once for all of them, and each view's shard travels as a row of its own.

Ray repeats the work of a worker that died. Marks on disk count the deaths of each shard: after two in its decoding the
rows are decoded in child processes, where a row that kills becomes a reject; a shard whose reading or embedding keeps
killing workers ends the command with an error that names it.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import ray
import ray.exceptions
from numpy.typing import NDArray
from ray.data import ActorPoolStrategy, DataContext, Dataset, TaskPoolStrategy

from labelbench_ray.cluster.cpu_shares import Actors, cpu_shares
from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.cluster.device_time import DeviceTime
from labelbench_ray.costs import Cost, cpu_seconds
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.attempts import marks
from labelbench_ray.embeddings.contents import RowContents
from labelbench_ray.embeddings.decoding import DecodedShard, packed
from labelbench_ray.embeddings.embed import (
    FEW_ROWS,
    EmbeddedShard,
    EmbeddingJob,
    begin_rows,
    distinct_rows,
    write_shard,
)
from labelbench_ray.embeddings.shard_attempts import DIED, augmented_shard, begun, decoded_shard, named, work_of
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows
from labelbench_ray.errors import DataError, UserError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.user_code import stated

CALLS_AT_ONCE = 3
"""Shards that an actor has in hand: one in the network, while another is hashed and written, and the next one waits."""
IN_FLIGHT = 2 * CALLS_AT_ONCE
"""Shards that wait for an actor or are in its hands. Ray Data adds an actor only where these may be 1.75 times the
calls (`DataContext.autoscaling_config`)."""
TASK_RETRIES, ACTOR_RESTARTS = 10, 100
"""Ray's own limits, for failures that `shard_attempts` cannot count. A task of an actor is repeated without
limit: while a lost node is not yet declared dead, any number is spent within seconds."""
FORMS = ("form_1", "form_2")
"""Columns of what is embedded of each row: one for the store itself, two for an augmented view."""


def embed_shards(
    job: EmbeddingJob, source: Source, pending: Sequence[ShardId], actors: Actors
) -> Iterator[EmbeddedShard]:
    """Embed these shards, of the store or of its augmented views; each as it is finished.

    Raises:
        DataError: the source does not hold what it states, or an embedding is not finite.
    """
    if not pending:
        return
    same_rows: dict[tuple[str, int], list[ShardId]] = {}
    for shard in pending:
        same_rows.setdefault((shard.split, shard.number), []).append(shard)
    most = min(actors.most, len(same_rows))
    shares = cpu_shares([node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]], most)
    with marks(job.directory) as folder:
        job = replace(job, marks=folder)
        # The opened source may list millions of files: workers fetch it once a node instead of once a task.
        read = partial(_read_and_decode, job=job, source=ray.put(source))
        readers = TaskPoolStrategy(size=1) if are_few(job, source, pending) else None
        with _limits_by_keyword():
            decoded = _rows([{"shards": json.dumps(shards)} for shards in same_rows.values()]).map_batches(
                read,
                batch_size=1,
                batch_format="numpy",
                compute=readers,
                num_cpus=shares.reader,
                max_retries=TASK_RETRIES,
            )
        yield from _embedded(decoded, job, Actors(most, min(actors.at_first, most)), shares.actor)


def are_few(job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> bool:
    """Whether these shards have at most `FEW_ROWS` different rows of the source."""
    return distinct_rows(job, source, pending) <= FEW_ROWS


@contextmanager
def _limits_by_keyword() -> Iterator[None]:
    """Hide Ray's deprecation warning for these keywords: this version has no other form for retries."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        yield


def _rows(items: list[dict[str, Any]]) -> Dataset:
    DataContext.get_current().enable_progress_bars = False
    return ray.data.from_items(items, override_num_blocks=len(items))


def _embedded(decoded: Dataset, job: EmbeddingJob, actors: Actors, cpus: float) -> Iterator[EmbeddedShard]:
    actor: type = EmbedActor
    with _limits_by_keyword():
        embedded = decoded.map(
            actor,
            fn_constructor_args=(job,),
            compute=ActorPoolStrategy(
                min_size=1,
                max_size=actors.most,
                initial_size=actors.at_first,
                max_tasks_in_flight_per_actor=IN_FLIGHT,
                enable_true_multi_threading=True,
            ),
            max_concurrency=CALLS_AT_ONCE,
            num_cpus=0 if job.device == "cuda" else cpus,
            num_gpus=1 if job.device == "cuda" else 0,
            max_restarts=ACTOR_RESTARTS,
            max_task_retries=-1,
        )
    try:
        for row in embedded.iter_rows():
            if row["error"]:
                raise DataError(row["error"])
            yield _reported(row)
    except ray.exceptions.RayError as error:
        if not is_death(error):
            raise
        raise DataError(
            f"embedding ended: its workers died again and again ({DIED}), outside of any shard; see Ray's logs of the "
            "workers, and run the same command again, which keeps the finished shards"
        ) from error


def _read_and_decode(batch: dict[str, Any], job: EmbeddingJob, source: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  an object reference
    """The batch's shards, which have the same rows of the source, each as a batch of one row that an actor embeds."""
    shards = [ShardId(*each) for each in json.loads(batch["shards"][0])]
    start = cpu_seconds()
    try:
        decoded = decoded_shard(job, ray.get(source), shards[0])
        for shard in shards:
            columns = _columns(augmented_shard(decoded, job, shard))
            # The decoding counts for the first shard.
            cpu, start = cpu_seconds() - start, cpu_seconds()
            yield _one_row(columns | {"shard": json.dumps(shard), "error": "", "cpu": cpu})
    except UserError as error:
        # A mistake of the user's travels as data: an exception would reach the driver wrapped and without its class.
        yield _one_row({"error": str(error)})


def _one_row(columns: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """A batch of a single row; Ray takes an array over as a tensor, without a copy."""
    return {
        name: value[np.newaxis] if isinstance(value, np.ndarray) else _object(value) for name, value in columns.items()
    }


def _object(value: Any) -> NDArray[np.object_]:  # noqa: ANN401
    """A column of one value: of a list of texts, numpy would make a matrix."""
    column = np.empty(1, object)
    column[0] = value
    return column


def _columns(shard: DecodedShard) -> dict[str, Any]:
    return {
        "row_ids": shard.row_ids,
        "labels": shard.labels_B.reshape(-1),
        "label_form": json.dumps([shard.labels_B.dtype.str, shard.labels_B.shape]),
        "groups": json.dumps(None if shard.groups_B is None else shard.groups_B.tolist()),
        "facts": json.dumps({name: values_B.tolist() for name, values_B in shard.facts.items()}),
        "rejects": json.dumps(shard.rejects),
        "contents": shard.contents.model_dump_json() if shard.contents else "",
        **{name: packed(form) for name, form in zip(FORMS, shard.forms, strict=False)},
    }


def _decoded(row: dict[str, Any]) -> DecodedShard:
    dtype, shape = json.loads(row["label_form"])
    row_ids, labels_B = [str(row_id) for row_id in row["row_ids"]], np.asarray(row["labels"], dtype).reshape(shape)
    contents = RowContents.model_validate_json(row["contents"]) if row["contents"] else None
    forms = tuple(row[name] for name in FORMS if name in row)
    groups = json.loads(row["groups"])
    groups_B = None if groups is None else np.array(groups, np.int64)
    facts = Facts({name: np.array(values, np.float64) for name, values in json.loads(row["facts"]).items()})
    return DecodedShard(row_ids, labels_B, forms, json.loads(row["rejects"]), contents, groups_B, facts)


class EmbedActor:
    """Holds the network; embeds and writes a shard, and returns what the manifest states of it.

    Ray calls it in several threads. One further thread begins their shards in the network, one after the other and
    without a pause; each call then waits for its own shard, hashes and writes it, while the next one is in the network.
    A call returns once its shard is written, so a killed actor loses no shard that was reported.
    """

    def __init__(self, job: EmbeddingJob) -> None:
        self._job = job
        self._network_thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._spent = DeviceTime(job.device == "cuda")
        self._error = ""
        # An actor keeps its id when Ray restarts it.
        try:
            actor = ray.get_runtime_context().get_actor_id()
            what = f"loading {job.encoder!r}"
            with begun(job, f"load-{actor}", what), stated(what), self._spent.on_device():
                self._network = job.encoder.load(job.device)
        except UserError as error:
            self._error = str(error)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if error := row["error"] or self._error:
            return {"error": error}
        shard = ShardId(*json.loads(row["shard"]))
        what = f"{named(self._job, shard)}: embedding it by {self._job.encoder!r}"
        try:
            with stated(what), ExitStack() as mark:
                wait = self._network_thread.submit(self._begin, _decoded(row), shard, what, mark).result()
                with self._spent.on_device():
                    rows = wait()
                made = write_shard(rows, self._network.compute, self._job, shard)
        except UserError as error:
            return {"error": str(error)}
        return _report(replace(made, spent=self._spent.lap() + Cost(cpu=row["cpu"])))

    def _begin(self, decoded: DecodedShard, shard: ShardId, what: str, mark: ExitStack) -> Callable[[], ShardRows]:
        # A shard that waits for its turn is not marked as begun: it is not what kills the actor.
        mark.enter_context(begun(self._job, work_of("embed", shard), what))
        with self._spent.on_device():
            return begin_rows(decoded, self._network, self._job, shard)


def _report(made: EmbeddedShard) -> dict[str, Any]:
    return {
        "error": "",
        "cpu": made.spent.cpu,
        "gpu": made.spent.gpu,
        "entry": made.entry.model_dump_json(),
        "view": json.dumps(made.view),
        "dimensions": made.dimensions,
        "bytes": made.bytes,
        "compute": made.compute,
        "rejects": json.dumps(dict(made.rejects)),
        "device": made.device,
    }


def _reported(row: dict[str, Any]) -> EmbeddedShard:
    return EmbeddedShard(
        ShardEntry.model_validate_json(row["entry"]),
        row["dimensions"],
        row["compute"],
        json.loads(row["rejects"]),
        int(row["bytes"]),
        Cost(cpu=row["cpu"], gpu=row["gpu"]),
        json.loads(row["view"]),
        row["device"],
    )

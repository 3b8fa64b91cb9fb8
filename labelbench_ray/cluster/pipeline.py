"""Embedding with Ray Data: read and decode in CPU tasks, embed in a pool of actors, one shard at a time.

A shard travels as one row of a Ray data set, and the actor that embeds it writes it; the driver handles one line
for each shard. Ray Data keeps no order, but a shard knows its number. Rows of which several augmented views are missing
are decoded once for all of them, and each view's shard travels as a row of its own. A shard of large images travels in
slices, each a row of its own that any actor embeds; the driver joins their embeddings and writes the shard.

Ray repeats the work of a worker that died. Marks on disk count the deaths of each shard: after two in its decoding the
rows are decoded in child processes, where a row that kills becomes a reject; a shard whose reading or embedding keeps
killing workers ends the command with an error that names it.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import ray
import ray.exceptions
from ray.data import ActorPoolStrategy, DataContext, Dataset, TaskPoolStrategy

from labelbench_ray.cluster.cpu_shares import Actors, cpu_shares
from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.cluster.device_time import DeviceTime
from labelbench_ray.cluster.shard_columns import (
    FORMS,
    columns_of,
    decoded_of,
    one_row,
    report,
    report_slice,
    reported,
    reported_slice,
)
from labelbench_ray.cluster.slices import SLICE_BYTES, EmbeddedSlice, has_all, slice_rows, write_slices
from labelbench_ray.costs import Cost, cpu_seconds
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.attempts import marks
from labelbench_ray.embeddings.decoding import DecodedShard
from labelbench_ray.embeddings.embed import (
    FEW_ROWS,
    EmbeddedShard,
    EmbeddingJob,
    begin_rows,
    distinct_rows,
    write_shard,
)
from labelbench_ray.embeddings.shard_attempts import DIED, augmented_shard, begun, decoded_slices, named, work_of
from labelbench_ray.embeddings.shards import ShardId, ShardRows
from labelbench_ray.encoders.networks.device_models import device_model
from labelbench_ray.errors import DataError, UserError
from labelbench_ray.user_code import stated

CALLS_AT_ONCE = 3
"""Shards that an actor has in hand: one in the network, while another is hashed and written, and the next one waits."""
IN_FLIGHT = 2 * CALLS_AT_ONCE
"""Shards that wait for an actor or are in its hands. Ray Data adds an actor only where these may be 1.75 times the
calls (`DataContext.autoscaling_config`)."""
TASK_RETRIES, ACTOR_RESTARTS = 10, 100
"""Ray's own limits, for failures that `shard_attempts` cannot count. A task of an actor is repeated without
limit: while a lost node is not yet declared dead, any number is spent within seconds."""


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
        read = partial(_read_and_decode, job=job, source=ray.put(source), slice_bytes=SLICE_BYTES)
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
        yield from _finished(embedded.iter_rows(), job)
    except ray.exceptions.RayError as error:
        if not is_death(error):
            raise
        raise DataError(
            f"embedding ended: its workers died again and again ({DIED}), outside of any shard; see Ray's logs of the "
            "workers, and run the same command again, which keeps the finished shards"
        ) from error


def _finished(rows: Iterable[dict[str, Any]], job: EmbeddingJob) -> Iterator[EmbeddedShard]:
    """What the actors return, as shards; `DataError` for the first error."""
    slices: dict[ShardId, dict[int, EmbeddedSlice]] = {}
    for row in rows:
        if row["error"]:
            raise DataError(row["error"])
        if row.get("embeddings") is None:
            yield reported(row)
            continue
        shard, made = reported_slice(row)
        there = slices.setdefault(shard, {})
        there[made.number] = made
        if has_all(there):
            del slices[shard]
            yield write_slices([there[number] for number in sorted(there)], job, shard)
    assert not slices, "a slice of a shard is missing"


def _read_and_decode(
    batch: dict[str, Any],
    job: EmbeddingJob,
    source: Any,  # noqa: ANN401  an object reference
    slice_bytes: int = SLICE_BYTES,
) -> Iterator[dict[str, Any]]:
    """The batch's shards, which have the same rows of the source, each as batches of one row that an actor embeds."""
    shards = [ShardId(*each) for each in json.loads(batch["shards"][0])]
    start = cpu_seconds()
    forms = len(FORMS) if any(shard.view is not None for shard in shards) else 1
    try:
        rows = slice_rows(job.encoder, job.device, forms, slice_bytes)
        for decoded in decoded_slices(job, ray.get(source), shards[0], rows):
            for shard in shards:
                columns = columns_of(augmented_shard(decoded, job, shard))
                # The decoding counts for the first shard.
                cpu, start = cpu_seconds() - start, cpu_seconds()
                yield one_row(columns | {"shard": json.dumps(shard), "error": "", "cpu": cpu})
            del decoded, columns  # else they would lie in memory beside the next slice
    except UserError as error:
        # A mistake of the user's travels as data: an exception would reach the driver wrapped and without its class.
        yield one_row({"error": str(error)})


class EmbedActor:
    """Holds the network; embeds and writes a shard, and returns what the manifest states of it, or embeds a slice.

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
        decoded = decoded_of(row)
        try:
            with stated(what), ExitStack() as mark:
                wait = self._network_thread.submit(self._begin, decoded, shard, what, mark).result()
                with self._spent.on_device():
                    rows = wait()
                mark.close()  # a death of another thread while this one writes is not one of this shard
                if not decoded.is_whole:
                    spent = self._spent.lap() + Cost(cpu=row["cpu"])
                    return report_slice(row, rows, self._network.compute, device_model(self._job.device), spent)
                made = write_shard(rows, self._network.compute, self._job, shard)
        except UserError as error:
            return {"error": str(error)}
        return report(replace(made, spent=self._spent.lap() + Cost(cpu=row["cpu"])))

    def _begin(self, decoded: DecodedShard, shard: ShardId, what: str, mark: ExitStack) -> Callable[[], ShardRows]:
        # A shard that waits for its turn is not marked as begun: it is not what kills the actor.
        mark.enter_context(begun(self._job, work_of("embed", shard, decoded.slice_number), what))
        with self._spent.on_device():
            return begin_rows(decoded, self._network, self._job, shard)

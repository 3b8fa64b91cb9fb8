"""Embedding few rows in one child process of the driver: Ray's workers would take longer to start than to embed them.

The child does what a reader and an actor of `cluster.pipeline` do, with the same marks of attempts: when it dies,
another child embeds what is missing, and a shard that keeps ending children ends the command. Each shard is sent back
when it is written. This module does not use Ray, and the driver imports neither torch nor the encoder's libraries.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

from labelbench_ray.costs import Stopwatch, cpu_seconds
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.attempts import marks
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, embed_shard
from labelbench_ray.embeddings.shard_attempts import DIED, augmented_shard, begun, decoded_shard, named, work_of
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.errors import DataError
from labelbench_ray.user_code import portable, stated

PROGRAM: Final = "import sys; from labelbench_ray.embeddings.child import serve; serve(int(sys.argv[1]))"
MOST_CHILDREN: Final = 100
"""For deaths outside of any marked piece of work; as often as Ray restarts an actor."""
READY: Final = "ready"
"""What a child sends once it has imported the encoder."""


def embed_in_child(
    job: EmbeddingJob,
    source: Source,
    pending: Sequence[ShardId],
    dumps: Callable[[Any], bytes | memoryview] = ForkingPickler.dumps,
) -> Iterator[EmbeddedShard]:
    """Embed these shards, of the store or of its augmented views; each as it is finished.

    Args:
        dumps: pickles the job and the source; the child reads that with the standard library.

    Raises:
        DataError: the source does not hold what it states, an embedding is not finite, or children died of a shard.
    """
    if not pending:
        return
    same_rows: dict[tuple[str, int], dict[ShardId, None]] = {}
    for shard in pending:
        same_rows.setdefault((shard.split, shard.number), {})[shard] = None
    with marks(job.directory) as folder:
        job = replace(job, marks=folder)
        for _ in range(MOST_CHILDREN):
            groups = [list(shards) for shards in same_rows.values() if shards]
            if not groups:
                return
            with closing(_embedded(dumps((job, source, groups)), job)) as made:
                for each in made:
                    del same_rows[each.id.split, each.id.number][each.id]
                    yield each
    if any(same_rows.values()):
        raise DataError(
            f"embedding ended: its child process died {MOST_CHILDREN} times ({DIED}), outside of any shard; run the "
            "same command again, which keeps the finished shards"
        )


def _embedded(work: bytes | memoryview, job: EmbeddingJob) -> Generator[EmbeddedShard, None, None]:
    """The shards that one child embeds until it has all of them, or dies."""
    ours, theirs = Pipe()
    with theirs:
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C goes to the parent, which ends its child
            env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    is_ready = False
    try:
        with ours, suppress(EOFError, ConnectionError):
            ours.send_bytes(work)
            while (received := ours.recv()) is not None:
                if isinstance(received, Exception):
                    raise received
                if received == READY:
                    is_ready = True
                else:
                    yield received
    finally:
        child.kill()
        status = child.wait()
    if not is_ready:
        raise DataError(
            f"{job.encoder!r}: a process that imports this encoder ends with status {status} before it embeds a row; "
            "fix what its module does on import"
        )


def serve(descriptor: int) -> None:
    """What a child does: it embeds the shards that it is sent and returns what the manifest states of each."""
    with Connection(descriptor) as parent, suppress(EOFError, ConnectionError):
        work = parent.recv_bytes()
        threading.Thread(target=_end_with, args=(parent,), name="watch-driver", daemon=True).start()
        try:
            job, source, groups = ForkingPickler.loads(work)
            parent.send(READY)
            for made in _made(job, source, groups):
                parent.send(made)
        except Exception as error:
            parent.send(_sendable(error))
        else:
            parent.send(None)


def _end_with(parent: Connection) -> None:
    """End this process when the driver is gone: it never sends anything more."""
    with suppress(EOFError, OSError):
        parent.recv_bytes()
    os._exit(1)


def _sendable(error: Exception) -> Exception:
    """The error, or its text where it cannot be pickled."""
    carried = portable(error)
    try:
        ForkingPickler.loads(ForkingPickler.dumps(carried))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return carried


def _made(job: EmbeddingJob, source: Source, groups: Sequence[Sequence[ShardId]]) -> Iterator[EmbeddedShard]:
    watch = Stopwatch()
    loading = f"loading {job.encoder!r}"
    with begun(job, "load", loading), stated(loading), watch.stage("embed"):
        network = job.encoder.load(job.device)
    for shards in groups:
        start = cpu_seconds()
        decoded = decoded_shard(job, source, shards[0])
        for shard in shards:
            augmented = augmented_shard(decoded, job, shard)
            decoding = cpu_seconds() - start
            what = f"{named(job, shard)}: embedding it by {job.encoder!r}"
            with begun(job, work_of("embed", shard), what), stated(what), watch.stage("embed"):
                made = embed_shard(augmented, network, job, shard)
            spent = watch.lap()["embed"]
            start = cpu_seconds()
            yield replace(made, spent=replace(spent, cpu=spent.cpu + decoding))

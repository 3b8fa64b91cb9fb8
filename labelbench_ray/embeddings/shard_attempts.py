"""What workers do for a shard, so that rows, networks and augmentations that kill them do not do so forever.

Each attempt is marked (`attempts`). After two deaths of a shard's readers its rows are decoded in child processes,
where a row that kills becomes a reject. What goes on killing ends the command by the shard's name.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.attempts import attempt
from labelbench_ray.embeddings.decoding import DecodedShard, decode_shard
from labelbench_ray.embeddings.embed import Job, Work, read_shard
from labelbench_ray.embeddings.embed_augmented import Pair, ViewsJob, augment
from labelbench_ray.embeddings.isolation import SUSPECT, Outcome, Rejected, apart, decode_watched
from labelbench_ray.embeddings.shards import shard_file
from labelbench_ray.errors import DataError

SUSPECT_DEATHS: Final = 2
"""Deaths of a shard's readers before its rows are decoded in child processes."""
READ_DEATHS: Final = 5
"""Then it is not the decoding that kills."""
DEATHS: Final = 3
"""Of workers that do any other piece of work, before the command ends."""
DIED: Final = "killed, out of memory, or its node was lost"


def decoded_shard(job: Job, source: Source, item: Work, known: Mapping[str, str] | None = None) -> DecodedShard:
    """Read and decode a shard; `known`: rows that were rejected before, which are not decoded again.

    Raises:
        DataError: the source is not what it says, workers died too often, or too many rows are rejected.
    """
    with begun(job, work_of("decode", item), f"{named(job, item)}: reading it", READ_DEATHS) as died:
        records = read_shard(source, item, job.shard_rows)
        if died < SUSPECT_DEATHS:
            watched = partial(decode_watched, job.encoder, seconds=job.row_seconds * SUSPECT)
            return decode_shard(records, job.encoder, watched, known)
        with apart(job.encoder, job.row_seconds) as decode:
            return decode_shard(records, job.encoder, lambda rows: _within(decode(rows), job, item), known)


def augmented(shard: DecodedShard, job: ViewsJob, view: int, item: Work) -> Pair:
    """Augment a decoded shard; `DataError` where workers died too often of it."""
    what = f"{named(job.store, item)}: augmenting it by {job.augmentation!r}"
    with begun(job.store, work_of(f"augment-{view}", item), what):
        return augment(shard, job.augmentation, view)


@contextmanager
def begun(job: Job, work: str, what: str, deaths: int = DEATHS) -> Iterator[int]:
    """Mark an attempt at a piece of work; yields how many earlier ones died, `DataError` once those are too many."""
    assert job.marks is not None
    with attempt(job.marks / work) as died:
        if died >= deaths:
            raise DataError(
                f"{what} ended the worker {died} times ({DIED}); look at the rows, run on machines with more memory or "
                "with fewer --encoder-actors, or use another encoder; finished shards are kept"
            )
        yield died


def work_of(kind: str, item: Work) -> str:
    """Names the marks of a kind of work on a shard."""
    return f"{kind}-{item[0]}-{item[1]}"


def named(job: Job, item: Work) -> str:
    """A shard in words."""
    first = item[1] * job.shard_rows
    return f"shard {shard_file(*item)} (from row {first} of the split {item[0]!r}, at most {job.shard_rows} rows)"


def _within(outcomes: Iterator[Outcome], job: Job, item: Work) -> Iterator[Outcome]:
    """The same; ends early where one shard alone has more rejects than all may have, for each may cost processes."""
    rejects = 0
    for outcome in outcomes:
        if isinstance(outcome, Rejected):
            rejects += 1
            if job.most_rejects is not None and rejects > job.most_rejects:
                raise DataError(
                    f"{named(job, item)}: at least {rejects} of its rows cannot be decoded, --max-reject-fraction "
                    f"allows {job.most_rejects} of all rows; the last: {outcome.reason}"
                )
        yield outcome

"""The work of a worker on a shard, with limits for rows, networks and augmentations that kill workers.

Each attempt is marked (`attempts`). After two deaths of a shard's readers its rows are decoded in child processes,
where a row that kills becomes a reject. If workers keep dying, the command ends with an error that names the shard.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from labelbench_ray.datasets import Payload, Source
from labelbench_ray.embeddings.attempts import attempt
from labelbench_ray.embeddings.decoding import DecodedShard, augment, decode_slices
from labelbench_ray.embeddings.embed import EmbeddingJob, read_records
from labelbench_ray.embeddings.footers import read_rejects
from labelbench_ray.embeddings.isolation import SUSPECT, Decoding, Outcome, Rejected, apart, decode_watched
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.errors import DataError
from labelbench_ray.user_code import stated

SUSPECT_DEATHS: Final = 2
"""Deaths of a shard's readers before its rows are decoded in child processes."""
READ_DEATHS: Final = 5
"""Deaths of a shard's readers before the command ends: the decoding is not what kills."""
DEATHS: Final = 3
"""Deaths of workers in any other piece of work before the command ends."""
DIED: Final = "killed, out of memory, or its node was lost"


def decoded_shard(job: EmbeddingJob, source: Source, shard: ShardId) -> DecodedShard:
    """Read and decode a shard's rows; for an augmented view, without the store's rejects.

    Raises:
        DataError: the source is not what it states, workers died too often, or too many rows are rejected.
    """
    (whole,) = decoded_slices(job, source, shard)
    return whole


def decoded_slices(
    job: EmbeddingJob, source: Source, shard: ShardId, rows: int | None = None
) -> Iterator[DecodedShard]:
    """The same in slices of at most so many rows, each decoded when it is asked for; None: all rows at once.

    One mark counts the deaths of all slices, until the last one is taken: a retried reader begins with the first slice.
    """
    known = known_rejects(job, shard)
    reading, decoding = f"{named(job, shard)}: reading it", f"{named(job, shard)}: decoding it by {job.encoder!r}"
    with begun(job, work_of("decode", shard), reading, READ_DEATHS) as died:
        with stated(reading):
            records = read_records(source, shard, job.shard_rows)
        with stated(decoding):
            if died < SUSPECT_DEATHS:
                watched = partial(decode_watched, job.encoder, seconds=job.row_seconds * SUSPECT)
                yield from decode_slices(records, job.encoder, watched, known, rows)
                return
            with apart(job.encoder, job.row_seconds) as decode:
                yield from decode_slices(records, job.encoder, within_limit(decode, job, shard), known, rows)


def known_rejects(job: EmbeddingJob, shard: ShardId) -> Mapping[str, str]:
    """Rows that are not decoded again, with their reasons: in an augmented view those that the store rejects."""
    return {} if shard.view is None else read_rejects(job.directory / shard.file)


def augmented_shard(decoded: DecodedShard, job: EmbeddingJob, shard: ShardId) -> DecodedShard:
    """The rows as the shard embeds them: as they are, or augmented; `DataError` if that killed workers too often."""
    if shard.view is None:
        return decoded
    assert job.views is not None
    augmentation = job.views.augmentation
    what = f"{named(job, shard)}: augmenting it by {augmentation!r}"
    with begun(job, work_of("augment", shard, decoded.slice_number), what), stated(what):
        return augment(decoded, augmentation, shard.view)


@contextmanager
def begun(job: EmbeddingJob, work: str, what: str, deaths: int = DEATHS) -> Iterator[int]:
    """Mark an attempt at a piece of work; yields how many earlier ones died. `DataError` if these are too many."""
    assert job.marks is not None
    with attempt(job.marks / work) as died:
        if died >= deaths:
            raise DataError(
                f"{what} ended the worker {died} times ({DIED}); look at the rows, run on machines with more memory or "
                "with fewer --encoder-actors, or use another encoder; finished shards are kept"
            )
        yield died


def work_of(kind: str, shard: ShardId, slice_number: int = 0) -> str:
    """Names the marks of a kind of work on a shard, or on one of its slices."""
    view = "" if shard.view is None else f"-{shard.view}"
    return f"{kind}-{shard.split}-{shard.number}{view}" + (f"-slice-{slice_number}" if slice_number else "")


def named(job: EmbeddingJob, shard: ShardId) -> str:
    """A shard in words."""
    first = shard.number * job.shard_rows
    return f"shard {shard.file} (from row {first} of the split {shard.split!r}, at most {job.shard_rows} rows)"


def within_limit(decode: Decoding, job: EmbeddingJob, shard: ShardId) -> Decoding:
    """As `decode`; stops if one shard has more rejects than all may have, since each may cost processes."""
    rejects = 0

    def limited(payloads: Sequence[Payload]) -> Iterator[Outcome]:
        nonlocal rejects
        for outcome in decode(payloads):
            if isinstance(outcome, Rejected):
                rejects += 1
                if job.most_rejects is not None and rejects > job.most_rejects:
                    raise DataError(
                        f"{named(job, shard)}: at least {rejects} of its rows cannot be decoded, "
                        f"--max-reject-fraction allows {job.most_rejects} of all rows; the last: {outcome.reason}; "
                        "repair or remove such rows, or allow more"
                    )
            yield outcome

    return limited

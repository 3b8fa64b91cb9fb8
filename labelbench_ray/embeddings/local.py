"""Embedding in this process: shard after shard, on one device, without Ray.

Rows are decoded in child processes, so a row whose decoder crashes or hangs becomes a reject here as well. A network
or an augmentation that crashes ends this process, and with it the command; finished shards are kept.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

import torch

from labelbench_ray.costs import Cost, cpu_seconds
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.decoding import DecodedShard, augment, decode_shard
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, embed_shard, read_records
from labelbench_ray.embeddings.isolation import Decoding, apart
from labelbench_ray.embeddings.shard_attempts import known_rejects, within_limit
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.encoders import Device

CHILDREN: Final = 2
"""Processes that decode: one goes on while a row hangs in the other. More would only wait, since decoding and embedding
take turns here."""
Made = Generator[EmbeddedShard, None, None]


@dataclass(frozen=True, slots=True)
class LocalEmbedder:
    """Embeds in this process (an `embeddings.complete.Embedder`)."""

    @property
    def device(self) -> Device:
        """A GPU where there is one."""
        return "cuda" if torch.cuda.is_available() else "cpu"

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        """Embed these shards, one after the other."""
        if pending:
            yield from _with_cost(_embedded(job, source, pending), job)


def _embedded(job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Made:
    """Embed shards; rows of which several augmented views are pending are decoded once for all of them."""
    same_rows: dict[tuple[str, int], list[ShardId]] = {}
    for shard in pending:
        same_rows.setdefault((shard.split, shard.number), []).append(shard)
    network = job.encoder.load(job.device)
    with apart(job.encoder, job.row_seconds, CHILDREN) as decode:
        for shards in same_rows.values():
            decoded = _decoded(job, source, shards[0], decode)
            for shard in shards:
                yield embed_shard(_augmented(decoded, job, shard), network, job, shard)


def _decoded(job: EmbeddingJob, source: Source, shard: ShardId, decode: Decoding) -> DecodedShard:
    records = read_records(source, shard, job.shard_rows)
    known = known_rejects(job, shard)
    return decode_shard(records, job.encoder, within_limit(decode, job, shard), known)


def _augmented(decoded: DecodedShard, job: EmbeddingJob, shard: ShardId) -> DecodedShard:
    if shard.view is None:
        return decoded
    assert job.views is not None
    return augment(decoded, job.views.augmentation, shard.view)


def _with_cost(made: Made, job: EmbeddingJob) -> Made:
    """State what each shard cost; the last one is held back until the child processes ended, which counts them."""
    held: EmbeddedShard | None = None
    spent = _spent_since(time.perf_counter(), cpu_seconds(), job.device == "cuda")
    with closing(made):
        for shard in made:
            if held:
                yield held
            held = replace(shard, spent=next(spent))
    if held:
        yield replace(held, spent=held.spent + next(spent))


def _spent_since(wall: float, cpu: float, gpu: bool) -> Iterator[Cost]:
    """What was spent since the last time that it was asked."""
    while True:
        now, now_cpu = time.perf_counter(), cpu_seconds()
        yield Cost(cpu=now_cpu - cpu, gpu=(now - wall) * gpu)
        wall, cpu = now, now_cpu

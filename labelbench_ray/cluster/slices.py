"""Slices of shards whose decoded images are too many bytes to travel at once.

A slice has a multiple of the rows of a forward pass, so every row shares its pass with the same rows as in the whole
shard, and the embeddings have the same bits. Slices may be embedded by different actors, in any order: what is left
of them is small (2 MB for 1,024 rows of 1,024 dimensions), and one process joins them and writes the shard.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from labelbench_ray.costs import Cost, total
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, publish_shard
from labelbench_ray.embeddings.finished import one_compute
from labelbench_ray.embeddings.shards import ShardId, ShardRows
from labelbench_ray.encoders import Device, Encoder, Trainable
from labelbench_ray.encoders.networks.torch_settings import TorchSettings
from labelbench_ray.pool.facts import Facts

SLICE_BYTES: Final = 256_000_000
"""Of the decoded images that travel together; more only where the images of one forward pass are more."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedSlice:
    """An embedded slice of a shard; the last one has the rejects and contents of the whole shard."""

    number: int
    is_last: bool
    rows: ShardRows
    compute: str
    device: str
    spent: Cost


def slice_rows(encoder: Encoder, device: Device, forms: int, most_bytes: int = SLICE_BYTES) -> int | None:
    """Rows of a slice; None: a shard is not cut, since it is not known which rows share a forward pass.

    Args:
        forms: images of each row: 2 in an augmented view.
    """
    if not (isinstance(encoder, Trainable) and isinstance(encoder, TorchSettings)):
        return None
    together = encoder.forward_rows(device)
    return max(1, most_bytes // (forms * math.prod(encoder.shape()) * together)) * together


def has_all(slices: Mapping[int, EmbeddedSlice]) -> bool:
    """Whether these slices, by their numbers, are a whole shard."""
    return any(each.is_last and each.number + 1 == len(slices) for each in slices.values())


def joined(slices: Sequence[EmbeddedSlice]) -> ShardRows:
    """The rows of all slices of a shard, given in their order."""
    last = slices[-1].rows
    # Only the last may be empty, where the rest of its rows are rejects; its embeddings then have no dimensions.
    parts = [each.rows for each in slices if each.rows.row_ids] or [last]
    groups = [each.groups_B for each in parts if each.groups_B is not None]
    return replace(
        last,
        row_ids=[row_id for each in parts for row_id in each.row_ids],
        labels_B=np.concatenate([each.labels_B for each in parts]),
        embeddings_BD=np.concatenate([each.embeddings_BD for each in parts]),
        groups_B=np.concatenate(groups) if groups else None,
        facts=Facts({name: np.concatenate([each.facts[name] for each in parts]) for name in parts[0].facts}),
    )


def write_slices(slices: Sequence[EmbeddedSlice], job: EmbeddingJob, shard: ShardId) -> EmbeddedShard:
    """Join all slices of a shard, given in their order, and write its file.

    Raises:
        StoreError: they were embedded by different compute paths.
    """
    start = time.thread_time()
    compute = one_compute(job.folder(shard.view), sorted({each.compute for each in slices}))
    made = publish_shard(joined(slices), compute, job, shard)
    writing = Cost(cpu=time.thread_time() - start)
    devices = ", ".join(sorted({each.device for each in slices}))
    return replace(made, device=devices, spent=total(each.spent for each in slices) + writing)

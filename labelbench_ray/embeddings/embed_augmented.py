"""Embedding augmented views as plain functions: augment a decoded shard, embed the pairs, and close a view.

A view's shard holds the rows of the store's own shard of that number, so weak, strong and un-augmented embeddings meet
by row id. As there, a killed embedding goes on with the shards that are missing, and the manifest is written last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labelbench_ray.augmentations import Augmentation, key
from labelbench_ray.config import digest
from labelbench_ray.costs import total
from labelbench_ray.embeddings.augmented import ViewManifest, check_same_rows, open_view, view_directory, views_there
from labelbench_ray.embeddings.decoding import DecodedShard, packed
from labelbench_ray.embeddings.embed import Job, Made, Work, finite_half, one_compute, publish_manifest, write_shard
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Decoded, Network
from labelbench_ray.storage.versions import versions

if TYPE_CHECKING:
    # At run time it would have every worker import torch and the trainers, some seconds each.
    from labelbench_ray.trainers import WantedViews


@dataclass(frozen=True, slots=True)
class ViewsJob:
    """What a worker needs to know to embed views of a store; small, for it travels with every task."""

    store: Job
    """As for the store's own shards; its recipe names the store's content too."""
    augmentation: Augmentation
    digest: str
    """Names the augmentation."""

    def view(self, view: int) -> Job:
        """The job of one view: its own folder and recipe."""
        directory = view_directory(self.store.directory, self.digest, view)
        return replace(self.store, directory=directory, recipe=digest([self.store.recipe, self.digest, view]))


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The rows of a shard in one view: the same rows twice."""

    weak: DecodedShard
    strong: DecodedShard


def augment(shard: DecodedShard, augmentation: Augmentation, view: int) -> Pair:
    """Both forms of every row, each drawn from its (row_id, view)."""
    return Pair(_changed(shard, augmentation.weak, view), _changed(shard, augmentation.strong, view))


def _changed(shard: DecodedShard, change: Callable[[Decoded, int], Decoded], view: int) -> DecodedShard:
    rows = zip(shard.row_ids, shard.decoded, strict=True)
    changed = packed([change(decoded, key(row_id, view)) for row_id, decoded in rows])
    return replace(shard, decoded=changed, contents=None)


def embed_pair(pair: Pair, network: Network, job: Job, item: Work) -> Made:
    """Embed one view of a shard and write its file; the embedding is (B, 2D): weak, then strong.

    Raises:
        DataError: an embedding is not finite; names the row.
    """
    halves = [finite_half(shard, network, job) for shard in (pair.weak, pair.strong)]
    return write_shard(pair.weak, np.hstack(halves), network, job, item)


def missing_views(store: EmbeddingStore, wanted: "WantedViews") -> list[int]:
    """The views that are not there; `StoreError` for one that is, but is damaged or of another store."""
    there = views_there(store.directory, wanted.digest, wanted.count)
    for view in there:
        open_view(store, wanted.digest, view)
    return [view for view in range(wanted.count) if view not in there]


def close_view(
    store: EmbeddingStore, wanted: "WantedViews", view: int, made: Sequence[Made], seconds: float
) -> ViewManifest:
    """Write a view's manifest once every shard is there.

    Raises:
        StoreError: a shard holds other rows than the store's own.
    """
    directory = view_directory(store.directory, wanted.digest, view)
    entries, spent = tuple(shard.entry for shard in made), total(shard.spent for shard in made)
    check_same_rows(store.directory, directory, entries)
    manifest = ViewManifest(
        view=view,
        augmentation=wanted.recipe,
        base=store.manifest.content,
        compute=one_compute(directory, made),
        seconds=seconds,
        cpu_seconds=spent.cpu,
        gpu_seconds=spent.gpu,
        bytes_written=sum(shard.bytes for shard in made),
        shards=entries,
        versions=versions(),
    )
    publish_manifest(directory, manifest)
    return manifest

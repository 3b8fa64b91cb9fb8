"""Embedding on the connected cluster: how many actors, and on which device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ray

from labelbench_ray.cluster.pipeline import are_few, embed_shards
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.encoders import Device
from labelbench_ray.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RayEmbedder:
    """Embeds through Ray Data (an `embeddings.complete.Embedder`)."""

    encoder_actors: int | None = None
    """None: one for each GPU, or for each CPU of a cluster without GPUs; a single one where the rows are few."""

    @property
    def device(self) -> Device:
        """A GPU where the cluster has one."""
        return "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        """Embed these shards in actors."""
        actors = self.encoder_actors or self._slots(job.device)
        if self.encoder_actors is None and are_few(job, source, pending):
            actors = 1
        return embed_shards(job, source, pending, actors)

    def _slots(self, device: Device) -> int:
        found = int(ray.cluster_resources().get("GPU" if device == "cuda" else "CPU", 0))
        if found < 1:
            raise ConfigError(
                "the cluster has no GPU and no CPU yet: start a worker node first (see `min_workers`), or "
                "embedding would not know what to run on"
            )
        return found

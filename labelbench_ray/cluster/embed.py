"""Embedding on the connected cluster: how many actors, and on which device."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ray
from ray import cloudpickle
from ray.autoscaler.sdk import request_resources

from labelbench_ray.cluster.cpu_shares import Actors
from labelbench_ray.cluster.metrics import count_shard
from labelbench_ray.console.escaping import SafeConsole
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings.child import embed_in_child
from labelbench_ray.embeddings.embed import FEW_ROWS, EmbeddedShard, EmbeddingJob, distinct_rows
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.encoders import Device
from labelbench_ray.errors import ConfigError

POLL_SECONDS: Final = 2.0
GPU_FILES: Final = ("nvidia[0-9]*", "kfd", "dri", "dxg")
"""In /dev: without any of them, Ray finds no GPU on this machine."""
DECLARED: Final = {"GPU": "labelbench_gpus", "CPU": "labelbench_cpus"}
"""Custom resources of the head, by which a cluster states what its autoscaler may grow to (see cluster.yaml)."""


@dataclass(frozen=True, slots=True)
class ChildEmbedder:
    """Embeds on the CPU in a child process of the driver (an `embeddings.complete.Embedder`), without Ray."""

    device: Device = "cpu"

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        """Embed these shards."""
        return embed_in_child(job, source, pending, cloudpickle.dumps)


def may_have_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether Ray, once it is started here, may find a GPU."""
    return any(True for name in GPU_FILES for _ in devices.glob(name))


@dataclass(frozen=True, slots=True)
class RayEmbedder:
    """Embeds through Ray Data (an `embeddings.complete.Embedder`)."""

    encoder_actors: int | None = None
    """At most this many. None: one for each GPU, or for each CPU of a cluster without GPUs; a single one where the
    rows are few."""
    child_rows: int = 0
    """Up to this many rows are embedded on the CPU in a child process of the driver, unless actors are asked for."""

    @property
    def device(self) -> Device:
        """A GPU where the cluster has one, or may start a node that has one."""
        return "cuda" if present("GPU") or declared("GPU") else "cpu"

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        """Embed these shards, in actors or, where the rows are few, in a child process."""
        for shard in self._embedded(job, source, pending):
            count_shard(shard)
            yield shard

    def _embedded(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        rows = distinct_rows(job, source, pending)
        is_free = self.encoder_actors is None and job.device == "cpu"
        if is_free and rows <= self.child_rows:
            yield from embed_in_child(job, source, pending, cloudpickle.dumps)
            return
        from labelbench_ray.cluster.pipeline import embed_shards  # Ray Data, which a child does without

        resource = "GPU" if job.device == "cuda" else "CPU"
        most = self._most(resource)
        if self.encoder_actors is None and rows <= FEW_ROWS:
            most = 1
        with growing(resource, most):
            yield from embed_shards(job, source, pending, Actors(most, min(most, present(resource))))

    def _most(self, resource: str) -> int:
        found = max(present(resource), declared(resource))
        if not found:
            raise ConfigError(
                "the cluster has no GPU and no CPU yet, and its head declares none: start a worker node first (see "
                f"`min_workers`), or give the head the resource {DECLARED['GPU']!r}, as cluster.yaml does"
            )
        return self.encoder_actors or found


def present(resource: str) -> int:
    """How many of a resource the nodes of the cluster have now."""
    return int(ray.cluster_resources().get(resource, 0))


def declared(resource: str) -> int:
    """How many of a resource the cluster may grow to, as a custom resource of its head states; 0: it states none.

    Ray publishes neither its autoscaler's node types nor their limits.
    """
    return present(DECLARED[resource])


@contextmanager
def growing(resource: str, wanted: int, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Ask the autoscaler for nodes within the context; first, print that embedding waits, until one is there."""
    if declared(resource) <= present(resource):
        yield
        return
    request_resources(bundles=[{resource: 1}] * wanted)
    try:
        if not present(resource):
            text = f"embedding waits for the first {resource}; the cluster declares {declared(resource)}"
            SafeConsole(stderr=True).print(text, soft_wrap=True)
        while not present(resource):
            sleep(POLL_SECONDS)
        yield
    finally:
        request_resources(bundles=[])  # a standing request would keep the nodes after the work

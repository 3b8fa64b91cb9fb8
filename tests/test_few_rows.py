"""How many processes embed a pool on Ray: one reads and one embeds where the rows are few."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.cluster import embed, pipeline
from labelbench_ray.cluster.cpu_shares import Actors, cpu_shares
from labelbench_ray.datasets import Source, Split
from labelbench_ray.embeddings.embed import EmbeddingJob, all_shards
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.errors import ConfigError

JOB = EmbeddingJob(Pixels(), Path("store"), "recipe", "cpu", shard_rows=1024)


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for shards have no rows to count."""
    monkeypatch.setattr(embed, "count_shard", lambda shard: None)


class NoTable:
    """Nothing reads it."""

    def __len__(self) -> int:
        return 10_000


def made_source(rows: dict[str, int]) -> Source:
    table = NoTable()
    return Source(("a", "b"), {name: Split(table, np.arange(count)) for name, count in rows.items()}, "")


@pytest.mark.parametrize(("rows", "few"), [(2048, True), (2049, False)])
def test_few_are_two_thousand_rows_of_all_splits(rows: int, few: bool) -> None:
    source = made_source({"pool": rows - 700, "validation": 300, "test": 400})
    assert pipeline.are_few(JOB, source, all_shards(source, JOB.shard_rows)) == few


def test_what_is_left_of_a_large_pool_may_be_few_and_views_share_their_rows() -> None:
    source = made_source({"pool": 10_000, "validation": 300, "test": 400})
    left = [ShardId("pool", 9, view) for view in (None, 0, 1)]
    assert pipeline.are_few(JOB, source, left)
    assert not pipeline.are_few(JOB, source, [ShardId("pool", number) for number in range(3)])


@pytest.mark.parametrize(("asked", "rows", "actors"), [(None, 2000, 1), (None, 5000, 3), (2, 2000, 2), (4, 5000, 4)])
def test_actors(monkeypatch: pytest.MonkeyPatch, asked: int | None, rows: int, actors: int) -> None:
    monkeypatch.setattr(embed.ray, "cluster_resources", lambda: {"CPU": 3.0})
    monkeypatch.setattr(pipeline, "embed_shards", lambda job, source, pending, actors: iter([actors.most]))
    source = made_source({"pool": rows})
    pending = all_shards(source, JOB.shard_rows)
    assert [*embed.RayEmbedder(asked).shards(JOB, source, pending)] == [actors]


class Cluster:
    """Resources that become more while embedding waits, and what the autoscaler is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, resources: dict[str, float]) -> None:
        self.resources = resources
        self.requests: list[int] = []
        self.waited = 0
        monkeypatch.setattr(embed.ray, "cluster_resources", lambda: self.resources)
        monkeypatch.setattr(embed, "request_resources", lambda bundles: self.requests.append(len(bundles)))

    def sleep(self, seconds: float) -> None:
        self.waited += 1
        if self.waited == 3:
            self.resources = self.resources | {"GPU": 1.0, "CPU": 16.0}


def test_embedding_waits_for_the_first_gpu_that_the_cluster_declares_and_prints_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, {"labelbench_gpus": 8.0})
    assert embed.RayEmbedder().device == "cuda"
    with embed.growing("GPU", 8, cluster.sleep):
        assert cluster.waited == 3
        assert cluster.requests == [8]
    assert cluster.requests == [8, 0], "the request does not outlive the work"
    assert "embedding waits for the first GPU; the cluster declares 8" in capsys.readouterr().err


def test_a_pool_begins_with_the_gpus_that_are_there_and_grows_to_those_declared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(monkeypatch, {"labelbench_gpus": 8.0, "GPU": 1.0, "CPU": 16.0})
    monkeypatch.setattr(pipeline, "embed_shards", lambda job, source, pending, actors: iter([actors]))
    source = made_source({"pool": 10_000})
    job = replace(JOB, device="cuda")
    assert [*embed.RayEmbedder().shards(job, source, all_shards(source, job.shard_rows))] == [Actors(8, 1)]
    assert cluster.requests == [8, 0]
    assert capsys.readouterr().err == ""


def test_a_cluster_that_declares_nothing_is_not_asked_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, {"GPU": 2.0, "CPU": 16.0})
    with embed.growing("GPU", 2, cluster.sleep):
        assert cluster.requests == []
    cluster.resources = {}
    with pytest.raises(ConfigError, match="its head declares none"):
        list(embed.RayEmbedder().shards(JOB, made_source({"pool": 10}), [ShardId("pool", 0)]))


@pytest.mark.parametrize(
    ("nodes", "actors", "shares"),
    [
        ([16], 16, (1.0, 0.5)),
        ([2], 2, (1.0, 0.5)),
        ([2], 4, (1.0, 0.25)),
        ([0, 1], 1, (0.25, 0.5)),
        ([1, 1, 4], 6, (0.25, 0.5)),
        ([1], 3, (0.25, 0.25)),
    ],
)
def test_a_reader_always_fits_beside_the_actors(nodes: list[float], actors: int, shares: tuple[float, float]) -> None:
    assert cpu_shares(nodes, actors) == shares
    most_beside = sum(node for node in nodes) - len([node for node in nodes if node]) * shares[0]
    assert actors * shares[1] <= most_beside, "else all nodes could be full of actors"

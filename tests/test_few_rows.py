"""How many processes embed a pool on Ray: one reads and one embeds where the rows are few."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.cluster import embed, pipeline
from labelbench_ray.datasets import Source, Split
from labelbench_ray.embeddings.embed import EmbeddingJob, all_shards
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.encoders.pixels import Pixels

JOB = EmbeddingJob(Pixels(), Path("store"), "recipe", "cpu", shard_rows=1024)


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
    monkeypatch.setattr(embed, "embed_shards", lambda job, source, pending, actors: iter([actors]))
    source = made_source({"pool": rows})
    pending = all_shards(source, JOB.shard_rows)
    assert [*embed.RayEmbedder(asked).shards(JOB, source, pending)] == [actors]

"""A killed embedding goes on from the footers of its finished shards; damage is found when the store is closed."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelbench_ray.config import Trial
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings import complete, embed
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.contents import RowContents
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, checked_shards, found_shards
from labelbench_ray.embeddings.footers import read_footer
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.shards import ShardId, ShardRows, load_shard, shard_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import StoreError
from labelbench_ray.trial.parts import build

TRIAL = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=2, budget=4)
SHARDS = [ShardId("pool", number) for number in range(4)]


def rows(number: int) -> ShardRows:
    embeddings_BD = np.random.default_rng(number).normal(size=(5, 3)).astype(np.float16)
    contents = RowContents(kept=f"{number:032x}" * 5, rejected={"r": (1, "0" * 32)})
    return ShardRows([f"{number}{row}" for row in range(5)], np.arange(5), embeddings_BD, {"r": "broken"}, contents)


@pytest.fixture
def job(tmp_path: Path) -> EmbeddingJob:
    """A folder with four finished shards."""
    (tmp_path / "shards").mkdir()
    for shard in SHARDS:
        (tmp_path / shard.file).write_bytes(shard_bytes(rows(shard.number), "recipe", "numpy"))
    return EmbeddingJob(build(TRIAL).encoder, tmp_path, "recipe", "cpu", 5)


def refuse(*_: object) -> None:
    raise AssertionError("a shard was read")


def test_footers_state_what_reading_every_shard_finds(job: EmbeddingJob, monkeypatch: pytest.MonkeyPatch):
    expected = checked_shards(job, SHARDS)
    monkeypatch.setattr(embed, "load_shard", refuse)
    assert found_shards(job, SHARDS) == expected
    assert [shard.entry.rows for shard in expected.values()] == [5, 5, 5, 5]
    assert found_shards(dataclasses.replace(job, recipe="another"), SHARDS) == {}


def without_summary(path: Path) -> None:
    """As older versions wrote it."""
    table = pq.read_table(path)
    kept = {key: value for key, value in table.schema.metadata.items() if b"summary" not in key}
    pq.write_table(table.replace_schema_metadata(kept), path)


def with_other_rejects(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"rejects": b"{}"}), path)


def test_a_shard_of_an_older_store_is_read(job: EmbeddingJob):
    expected = checked_shards(job, SHARDS)
    for shard in SHARDS[:2]:
        without_summary(job.directory / shard.file)
        assert read_footer(job.directory / shard.file) is None
    found = found_shards(job, SHARDS)
    assert [each.entry for each in found.values()] == [each.entry for each in expected.values()]
    assert load_shard(job.directory / SHARDS[0].file).rows.row_ids == rows(0).row_ids


@pytest.mark.parametrize(
    "damage",
    [with_other_rejects, lambda path: path.write_bytes(path.read_bytes()[:-9]), lambda path: path.write_bytes(b"")],
    ids=["other rejects", "cut short", "empty"],
)
def test_a_footer_that_its_checksum_does_not_cover_is_not_believed(job: EmbeddingJob, damage):
    damage(job.directory / SHARDS[1].file)
    assert read_footer(job.directory / SHARDS[1].file) is None
    assert list(found_shards(job, SHARDS)) == [SHARDS[0], SHARDS[2], SHARDS[3]]
    assert not (job.directory / SHARDS[1].file).exists()


def test_a_summary_of_other_rows_is_damage(job: EmbeddingJob):
    path, other = job.directory / SHARDS[0].file, pq.read_table(job.directory / SHARDS[1].file)
    table = pq.read_table(path)
    summaries = {key: value for key, value in other.schema.metadata.items() if b"summary" in key}
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | summaries), path)
    with pytest.raises(StoreError, match="does not have the hash that it states"):
        load_shard(path)


class Killed(Exception):
    """Ends an embedding at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counting(LocalEmbedder):
    """Keeps what it embeds; dies after so many shards."""

    embedded: list[ShardId]
    most: int | None = None

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        for made in islice(LocalEmbedder.shards(self, job, source, pending), self.most):
            self.embedded.append(made.id)
            yield made
        if self.most is not None:
            raise Killed


def test_a_damaged_shard_that_a_killed_embedding_left_is_embedded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(complete, "SHARD_ROWS", 700)
    environment = Environment(
        runs=tmp_path / "runs", store=tmp_path / "store", data_root=tmp_path, tracking_uri="", address=None
    )
    recipe, embedded = build(TRIAL).store_recipe, list[ShardId]()

    def embed_it(most: int | None = None) -> EmbeddingStore:
        return complete_store(recipe, None, environment, Counting(embedded, most), lambda rows, total: None)

    with pytest.raises(Killed):
        embed_it(most=2)
    first, second = embedded
    path = environment.store / recipe.key / first.file
    whole, place = path.read_bytes(), len(path.read_bytes()) // 2
    path.write_bytes(whole[:place] + bytes(byte ^ 1 for byte in whole[place : place + 8]) + whole[place + 8 :])
    assert read_footer(path), "the footer does not show it"
    store = embed_it()
    assert embedded.count(first) == 2
    assert embedded.count(second) == 1
    assert load_shard(path).rows.row_ids
    assert len(store.row_ids()) == store.manifest.count("pool")

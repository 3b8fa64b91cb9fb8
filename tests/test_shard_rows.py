"""Stores whose shards have other numbers of rows hold the same rows, and one store does not mix them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import Records, Source
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.decoding import decode_shard
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, StoreError
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.trial.assembly import selection_job
from labelbench_ray.trial.parts import build

TRIAL = Trial(
    dataset=Part.of("digits", max_rows=500),
    encoder="pixels",
    strategy="margin",
    trainer="logistic",
    seed=0,
    rounds=2,
    budget=20,
)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(
        runs=tmp_path / "runs", store=tmp_path / "store", data_root=tmp_path, tracking_uri="", address=None
    )


class Killed(Exception):
    """Ends an embedding."""


class Dying(LocalEmbedder):
    """Dies after the first shard."""

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        yield from islice(LocalEmbedder.shards(self, job, source, pending), 1)
        raise Killed


def embed(environment: Environment, embedder: LocalEmbedder | None = None) -> EmbeddingStore:
    return complete_store(
        build(TRIAL).store_recipe, None, environment, embedder or LocalEmbedder(), lambda rows, total: None
    )


def test_stores_of_any_shard_size_hold_and_select_the_same_rows(environment: Environment, tmp_path: Path) -> None:
    chosen, pools, shards = [], [], []
    for rows in (64, None, 4096):
        here = replace(environment, shard_rows=rows, store=tmp_path / f"store {rows}", runs=tmp_path / f"runs {rows}")
        store, built = embed(here), build(TRIAL)
        list(selection_job(built, here.runs / "experiment", here).steps())
        history = read_history(here.runs / "experiment" / built.fingerprint)
        chosen.append([record.chosen for record in history.records])
        pools.append((store.row_ids(), store.arrays().pool.embeddings_ND.tobytes()))
        shards.append(len(store.manifest.shards.split("pool")))
    assert chosen[0] == chosen[1] == chosen[2]
    assert pools[0] == pools[1] == pools[2]
    assert shards[0] > shards[1] == shards[2] == 1


def test_the_default_is_not_stated(environment: Environment) -> None:
    default = embed(environment)
    assert default.manifest.shard_rows == 1024
    assert "shard_rows" not in (default.directory / "manifest.json").read_text()
    assert not (default.directory / complete.SIZE).exists()


def test_a_finished_store_keeps_its_size(environment: Environment) -> None:
    store = embed(replace(environment, shard_rows=128))
    assert store.manifest.shard_rows == 128
    (store.directory / ShardId("pool", 1).file).unlink()
    again = embed(environment)  # without the option
    assert again.manifest == store.manifest
    assert (store.directory / ShardId("pool", 1).file).is_file()
    with pytest.raises(StoreError, match=r"128 rows each, --shard-rows asks for 1024; .*leave --shard-rows out"):
        embed(replace(environment, shard_rows=1024))


@pytest.mark.parametrize(("begun", "stated", "other"), [(64, 64, 1024), (None, 1024, 64)])
def test_a_killed_embedding_continues_with_its_size(
    environment: Environment, begun: int | None, stated: int, other: int
) -> None:
    with pytest.raises(Killed):
        embed(replace(environment, shard_rows=begun), Dying())
    with pytest.raises(StoreError, match=rf"{stated} rows each, --shard-rows asks for {other}; "):
        embed(replace(environment, shard_rows=other))
    assert embed(environment).manifest.shard_rows == stated


@pytest.mark.parametrize("content", [b"", b"many", b"0", b"\xff4"])
def test_a_damaged_size_is_named_with_what_to_do(environment: Environment, content: bytes) -> None:
    with pytest.raises(Killed):
        embed(replace(environment, shard_rows=64), Dying())
    (path,) = environment.store.glob(f"*/{complete.SIZE}")
    path.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{path}: is damaged: .* is no number of rows; write into it .* or delete"):
        embed(environment)
    path.write_bytes(b"64")
    assert embed(environment).manifest.shard_rows == 64


@pytest.mark.parametrize("rows", [1000, 3])
def test_a_size_that_is_no_power_of_two_is_refused(environment: Environment, rows: int) -> None:
    with pytest.raises(ConfigError, match=rf"--shard-rows {rows} is not a power of two.*; give \d+ or \d+"):
        replace(environment, shard_rows=rows)


def test_a_large_shard_has_the_order_of_small_ones() -> None:
    """Rows of a data set whose order is not that of their ids: ids of the pool do not depend on the shards."""
    ids = [f"{row:04d}" for row in np.random.default_rng(0).permutation(4096)]

    def decoded(names: list[str]) -> list[str]:
        payloads = [np.zeros((1, 1, 3), np.uint8)] * len(names)
        records = Records(names, payloads, np.zeros(len(names), np.int64))
        return [*decode_shard(records, Pixels(), lambda rows: rows).row_ids]

    small = [name for first in range(0, 4096, 1024) for name in decoded(ids[first : first + 1024])]
    assert decoded(ids) == small != sorted(ids)

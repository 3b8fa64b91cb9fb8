"""Scorers choose what one process chooses, with any number of actors, and when one of them dies."""

from pathlib import Path

import numpy as np
import pytest
import ray

from labelbench_ray import strategies
from labelbench_ray.atomic import publish
from labelbench_ray.blocks import LinearModel
from labelbench_ray.cluster.scorers import Scorers
from labelbench_ray.datasets import SPLITS
from labelbench_ray.loop import in_process
from labelbench_ray.shards import ShardRows, shard_bytes
from labelbench_ray.store import EmbeddingStore, Manifest, ShardEntry, shard_file
from labelbench_ray.types import PoolView

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
ROWS, DIMENSIONS, CLASSES = 20_000, 16, 5


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingStore:
    """A finished store of random embeddings: five blocks and a bit."""
    directory: Path = tmp_path_factory.mktemp("store") / "synthetic"
    (directory / "shards").mkdir(parents=True)
    rng = np.random.default_rng(0)
    entries = []
    for split, rows in zip(SPLITS, (ROWS, 10, 10), strict=True):
        shard = ShardRows(
            [f"{row:05d}" for row in range(rows)],
            rng.integers(0, CLASSES, rows),
            rng.normal(size=(rows, DIMENSIONS)).astype(np.float16),
            {},
        )
        publish(directory / shard_file(split, 0), shard_bytes(shard, "recipe", "numpy"))
        entries.append(ShardEntry(split=split, number=0, rows=rows, sha256=shard.sha256()))
    manifest = Manifest(
        key="synthetic",
        dataset={},
        encoder={},
        signature="",
        weights="",
        preprocessing="",
        compute="numpy",
        classes=tuple("abcde"),
        dimensions=DIMENSIONS,
        rejects=0,
        seconds=0,
        shards=tuple(entries),
    )
    publish(directory / "manifest.json", manifest.model_dump_json().encode())
    return EmbeddingStore.open(directory)


def model() -> LinearModel:
    rng = np.random.default_rng(1)
    return LinearModel(rng.normal(size=(DIMENSIONS, CLASSES)).astype(np.float32), np.zeros(CLASSES, np.float32))


def choose(view: PoolView, name: str) -> list[int]:
    return strategies.create(name).select(view, 500, np.random.default_rng(2)).tolist()


@pytest.mark.parametrize("actors", [1, 2, 3])
def test_the_same_ids_as_in_process(store: EmbeddingStore, actors: int) -> None:
    labeled, labels = np.arange(0, ROWS, 7), np.zeros(len(range(0, ROWS, 7)), np.int64)
    alone = in_process(store.arrays())(model(), labeled, labels)
    scorers = Scorers(store, actors)
    try:
        view = scorers(model(), labeled, labels)
        for name in ("random", "confidence", "margin", "entropy"):
            assert choose(view, name) == choose(alone, name)
    finally:
        scorers.close()


def test_a_scorer_that_dies_is_restarted_and_the_choice_is_the_same(store: EmbeddingStore) -> None:
    nothing = np.empty(0, np.int64)
    scorers = Scorers(store, 2)
    try:
        view = scorers(model(), nothing, nothing)
        before = choose(view, "margin")
        ray.kill(view.actors[0], no_restart=False)
        assert choose(view, "margin") == before
    finally:
        scorers.close()

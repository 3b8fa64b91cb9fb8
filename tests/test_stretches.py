"""A scorer reads the shards of its own rows alone, and holds the same rows as the complete arrays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_ray.cluster.scorers import Scorer
from labelbench_ray.embeddings import footers, shards
from labelbench_ray.embeddings.shards import ShardId, ShardRows
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.embeddings.stretches import pool_stretch
from labelbench_ray.errors import StoreError
from labelbench_ray.pool.blocks import LinearModel, ModelShard
from tests.samples import write_store

SHARDS = (40, 0, 25, 40, 31)
ROWS, DIMENSIONS = sum(SHARDS), 4


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    """Pool rows of their number in every dimension and in a fact; an empty shard and shards of other sizes."""
    starts = np.cumsum([0, *SHARDS])
    pool = [_rows(np.arange(first, first + rows), facts=True) for first, rows in zip(starts, SHARDS, strict=False)]
    splits = {"pool": pool, "validation": [_rows(np.arange(3))], "test": [_rows(np.arange(3))]}
    return write_store(tmp_path / "thekey", splits, facts={"number": "a hash"})


def _rows(ids_B: np.ndarray, facts: bool = False) -> ShardRows:
    embeddings_BD = np.repeat(ids_B[:, None], DIMENSIONS, axis=1).astype(np.float16)
    names = [f"{row:04d}" for row in ids_B]
    found = shards.Facts(number=ids_B.astype(np.float64)) if facts else shards.Facts()
    return ShardRows(names, np.zeros(len(ids_B), np.int64), embeddings_BD, {}, facts=found)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of all shards that are read, of which not even a footer is read otherwise."""
    names: set[str] = set()

    def counted(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        return lambda path: names.add(path.name) or read(path)

    monkeypatch.setattr(shards, "load_shard", counted(shards.load_shard))
    monkeypatch.setattr(footers.pq, "read_metadata", counted(footers.pq.read_metadata))
    return names


@pytest.mark.parametrize(
    ("start", "stop", "read"),
    [(0, 40, {0}), (40, 65, {2}), (50, 70, {2, 3}), (64, 65, {2}), (0, ROWS, {0, 1, 2, 3, 4}), (104, ROWS, {3, 4})],
)
def test_only_the_shards_of_its_rows_are_read(
    store: EmbeddingStore, opened: set[str], start: int, stop: int, read: set[int]
) -> None:
    stretch = pool_stretch(store, start, stop)
    assert opened == {Path(ShardId("pool", number).file).name for number in read}
    assert stretch.embeddings_SD[:, 0].tolist() == list(range(start, stop))
    assert stretch.facts["number"].tolist() == list(range(start, stop))
    assert not store.has_arrays


def test_a_stretch_is_made_once_and_mapped_without_labels(store: EmbeddingStore, opened: set[str]) -> None:
    pool_stretch(store, 50, 70)
    opened.clear()
    stretch = pool_stretch(store, 45, 105)  # of the same shards
    assert opened == set()
    assert isinstance(stretch.embeddings_SD, np.memmap)
    (folder,) = store.arrays_folder.parent.glob("*.2-3")
    assert sorted(path.name for path in folder.iterdir()) == ["pool-fact-number.npy", "pool.npy"]


def test_where_the_machine_has_the_arrays_no_shard_is_read(store: EmbeddingStore, opened: set[str]) -> None:
    store.arrays()
    opened.clear()
    stretch = pool_stretch(store, 50, 70)
    assert opened == set()
    assert stretch.embeddings_SD[:, 1].tolist() == stretch.facts["number"].tolist() == list(range(50, 70))
    assert [path.name for path in store.arrays_folder.parent.glob("*.*-*")] == []


def test_a_scorer_holds_its_rows_alone(store: EmbeddingStore, opened: set[str]) -> None:
    scorer: Any = Scorer
    scorer = scorer.__ray_metadata__.modified_class(store.directory, 65, 105)
    assert opened == {"pool-00003.parquet"}
    model = LinearModel(np.ones((DIMENSIONS, 2), np.float32), np.zeros(2, np.float32))
    ids, raw, facts, labeled = scorer.apply(0, model, np.array([1, 70]), None, _held)
    assert ids == raw == facts == list(range(65, 105))
    assert labeled == [70]


def _held(shard: ModelShard) -> tuple[list[int], ...]:
    return (
        shard.ids_S.tolist(),
        shard.raw_SD[:, 0].tolist(),
        shard.facts["number"].tolist(),
        shard.ids_S[shard.labeled_S].tolist(),
    )


def test_a_damaged_shard_of_other_rows_does_not_matter(store: EmbeddingStore) -> None:
    path = store.directory / ShardId("pool", 3).file
    path.write_bytes(path.read_bytes()[:-100])
    assert len(pool_stretch(store, 0, 65).embeddings_SD) == 65
    with pytest.raises(StoreError, match=r"pool-00003\.parquet"):
        pool_stretch(store, 60, 70)

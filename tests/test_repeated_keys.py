"""Repeated keys are found by hashes, whatever collides, in the memory of the hashes."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from labelbench_ray.embeddings import repeated_keys
from labelbench_ray.embeddings.repeated_keys import first_repeated_key
from labelbench_ray.embeddings.shards import ShardEntry, ShardKeys
from labelbench_ray.errors import StoreError

FOLDER = Path("store")


def held(shards: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> list[ShardEntry]:
    """The entries of shards with these keys, which are not on disk."""
    entries = [ShardEntry(split="pool", number=n, rows=len(ids), sha256="") for n, ids in enumerate(shards)]
    keys = {FOLDER / entry.file: ids for entry, ids in zip(entries, shards, strict=True)}
    monkeypatch.setattr(repeated_keys, "read_keys", lambda path: ShardKeys(keys[path], []))
    return entries


def first_of_all(shards: list[list[str]]) -> str | None:
    """The same by all keys at once."""
    counts = pc.value_counts(pa.array([row_id for ids in shards for row_id in ids]))
    return next((each["values"] for each in counts.to_pylist() if each["counts"] > 1), None)


def by_length(row_ids: list[str]) -> np.ndarray:
    """A hash that most keys share."""
    return np.array([len(row_id) for row_id in row_ids], np.int64)


@pytest.mark.parametrize("keys", [30, 300, 30_000])
@pytest.mark.parametrize("seed", range(4))
def test_the_first_repeated_key_is_named(keys: int, seed: int, monkeypatch: pytest.MonkeyPatch):
    drawn = np.random.default_rng(seed).integers(keys, size=200)
    shards = [[str(each) for each in part] for part in np.array_split(drawn, 7)]
    assert first_repeated_key(FOLDER, held(shards, monkeypatch)) == first_of_all(shards)


@pytest.mark.parametrize("compared", [1, 2, 100_000])
def test_colliding_hashes_are_not_taken_for_repeated_keys(compared: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repeated_keys, "SUSPECTS", compared)
    monkeypatch.setattr(repeated_keys, "_hashes", by_length)
    distinct = [["a", "bb", "c"], ["dd", "e", "fff"], ["ggg", "hhhh"]]
    assert first_repeated_key(FOLDER, held(distinct, monkeypatch)) is None
    assert first_repeated_key(FOLDER, held([*distinct, ["x", "ggg", "y"]], monkeypatch)) == "ggg"


def test_all_rows_may_have_one_key(monkeypatch: pytest.MonkeyPatch):
    assert first_repeated_key(FOLDER, held([["same"] * 500] * 3, monkeypatch)) == "same"
    assert first_repeated_key(FOLDER, held([], monkeypatch)) is None


def test_memory_is_that_of_the_hashes(monkeypatch: pytest.MonkeyPatch):
    shards, rows = 256, 1024
    entries = [ShardEntry(split="pool", number=n, rows=rows, sha256="") for n in range(shards)]

    def read(path: Path) -> ShardKeys:
        return ShardKeys([f"{path.stem}/{row:020d}" for row in range(rows)], [])

    monkeypatch.setattr(repeated_keys, "read_keys", read)
    tracemalloc.start()
    assert first_repeated_key(FOLDER, entries) is None
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert highest < 2 * 8 * shards * rows + 4 * 2**20  # the keys alone are 20 MiB


def test_a_shard_of_another_number_of_rows_is_named(monkeypatch: pytest.MonkeyPatch):
    entries = held([["a", "b"]], monkeypatch)
    with pytest.raises(StoreError, match=r"pool-00000\.parquet: 2 rows, 3 were embedded"):
        first_repeated_key(FOLDER, [entries[0].model_copy(update={"rows": 3})])

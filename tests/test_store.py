"""A store's arrays are its shards; what is damaged is refused by name."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.costs import Cost
from labelbench_ray.embeddings import store as store_module
from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.embeddings.shards import ShardId, ShardRows, shard_bytes
from labelbench_ray.embeddings.store import EmbeddingStore, Origin
from labelbench_ray.errors import OtherVersionError, StoreError
from tests.samples import write_store

SIZES = {"pool": [30, 30, 11], "validation": [8], "test": [9, 5]}


def make_rows(split: str, number: int, rows: int) -> ShardRows:
    rng = np.random.default_rng([rows, number, len(split)])
    return ShardRows(
        [f"{split}/{number}/{row:03d}" for row in range(rows)],
        rng.integers(0, 3, rows),
        rng.normal(size=(rows, 4)).astype(np.float16),
        {},
    )


def make_store(folder: Path) -> EmbeddingStore:
    splits = {split: [make_rows(split, *each) for each in enumerate(sizes)] for split, sizes in SIZES.items()}
    return write_store(folder / "thekey", splits)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return make_store(tmp_path)


def expected(split: str, field: str) -> np.ndarray:
    return np.concatenate([getattr(make_rows(split, number, rows), field) for number, rows in enumerate(SIZES[split])])


@pytest.mark.parametrize("split", SIZES)
def test_arrays_hold_the_shards_in_their_order(store, split: str):
    arrays = getattr(store.arrays(), split)
    np.testing.assert_array_equal(arrays.embeddings_ND, expected(split, "embeddings_BD"))
    np.testing.assert_array_equal(arrays.labels_N, expected(split, "labels_B"))
    assert store.manifest.count(split) == sum(SIZES[split])
    assert store.row_ids(split) == expected(split, "row_ids").tolist()


def test_embeddings_are_mapped_and_cannot_be_written(store):
    with pytest.raises(ValueError, match="read-only"):
        store.arrays().pool.embeddings_ND[0, 0] = 1


def test_standardization_is_that_of_the_pool(store):
    pool = expected("pool", "embeddings_BD")
    found = store.arrays().standardization
    np.testing.assert_allclose(found.mean_D, pool.mean(axis=0, dtype=np.float64), atol=1e-6)
    np.testing.assert_allclose(found.scale_D, pool.std(axis=0, dtype=np.float64), rtol=1e-6)


def test_arrays_are_made_once(store):
    """The shards are not read a second time: they may be gone."""
    first = store.arrays()
    shutil.rmtree(store.directory / "shards")
    np.testing.assert_array_equal(store.arrays().pool.embeddings_ND, first.pool.embeddings_ND)


def test_making_the_arrays_goes_on_after_a_kill(store, monkeypatch):
    with monkeypatch.context() as killed:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        killed.setattr(store_module, "standardize", die)
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans nothing up
        with pytest.raises(KeyboardInterrupt):
            store.arrays()
    np.testing.assert_array_equal(store.arrays().pool.embeddings_ND, expected("pool", "embeddings_BD"))


def test_arrays_that_fail_leave_no_draft(store):
    (store.directory / ShardId("test", 1).file).unlink()
    with pytest.raises(StoreError, match=r"test-00001.parquet"):
        store.arrays()
    assert [path.name for path in (store.directory / "arrays").iterdir()] == ["lock"]


def test_a_disk_without_room_is_refused_before_anything_is_mapped(store, monkeypatch):
    """The kernel ends a process whose memory map outgrows its disk."""
    usage = shutil.disk_usage(store.directory)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(StoreError, match=r"needs 0\.0 GB, 0\.0 GB are free; make room, .*LABELBENCH_CACHE"):
        store.arrays()
    assert not store.has_arrays


@pytest.mark.parametrize("split", ["../../pool", "pool/x", ""])
def test_a_manifest_s_split_cannot_lead_out_of_the_store(store, split: str):
    path = store.directory / "manifest.json"
    content = json.loads(path.read_text())
    content["shards"][0]["split"] = split
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="split"):
        EmbeddingStore.open(store.directory)


def test_a_damaged_shard_is_refused_by_name(store):
    path = store.directory / ShardId("pool", 1).file
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"pool-00001.parquet"):
        store.arrays()


def test_a_whole_shard_that_is_not_the_manifest_s_is_refused_by_name(store):
    path = store.directory / ShardId("pool", 1).file
    path.write_bytes(shard_bytes(make_rows("pool", 99, 30), "recipe", "compute"))
    with pytest.raises(StoreError, match=r"pool-00001\.parquet: its content is not what the manifest states"):
        store.arrays()


def test_a_store_without_a_manifest_is_no_store(store):
    (store.directory / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"manifest\.json: there is no such file; `labelbench embed`"):
        EmbeddingStore.open(store.directory)


def test_a_manifest_cut_short_is_refused_by_name(store):
    path = store.directory / "manifest.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreError, match=r"manifest\.json: .*delete .* to embed again"):
        EmbeddingStore.open(store.directory)


def test_a_manifest_with_a_key_that_is_none_is_refused(store):
    path = store.directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    with pytest.raises(OtherVersionError, match=r"written by another version .*'colour'.* use another --store"):
        EmbeddingStore.open(store.directory)


def test_a_store_in_another_s_folder_is_refused_by_name(store):
    moved = store.directory.rename(store.directory.with_name("otherkey"))
    with pytest.raises(StoreError, match="'thekey', expected 'otherkey'"):
        EmbeddingStore.open(moved)


def test_the_content_hash_covers_rows_classes_and_compute(store):
    manifest = store.manifest
    entry = manifest.shards[0].model_copy(update={"sha256": "0" * 64})
    others = [
        {"classes": ("a", "c", "b")},
        {"compute": "torch"},
        {"shards": ShardTable.of((entry, *manifest.shards[1:]))},
    ]
    contents = {manifest.content, *(manifest.model_copy(update=other).content for other in others)}
    assert len(contents) == 4
    assert manifest.model_copy(update={"seconds": 99.0, "signature": "t"}).content == manifest.content


def test_a_manifest_from_before_costs_were_recorded_is_read(store):
    path = store.directory / "manifest.json"
    new = ("cpu_seconds", "gpu_seconds", "bytes_written")
    content = {key: value for key, value in json.loads(path.read_text()).items() if key not in new}
    path.write_text(json.dumps(content))
    manifest = EmbeddingStore.open(store.directory).manifest
    assert manifest.spent == Cost(wall=1.5)
    assert manifest.content == store.manifest.content


def test_arrays_travel_as_the_name_of_their_store(store):
    sent = pickle.dumps(store.arrays())
    assert len(sent) < 1000
    received = pickle.loads(sent)  # noqa: S301  we wrote it
    np.testing.assert_array_equal(received.pool.labels_N, expected("pool", "labels_B"))
    assert isinstance(received.pool.embeddings_ND, np.memmap)
    made_anew = replace(store.arrays(), origin=Origin(store.directory, "0" * 16))
    with pytest.raises(StoreError, match="was made anew while a command used it"):
        pickle.loads(pickle.dumps(made_anew))  # noqa: S301  we wrote it


def test_other_arrays_travel_as_they_are(store):
    received = pickle.loads(pickle.dumps(replace(store.arrays(), origin=None)))  # noqa: S301  we wrote it
    np.testing.assert_array_equal(received.test.labels_N, expected("test", "labels_B"))
    assert received.classes == store.manifest.classes

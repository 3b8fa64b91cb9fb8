"""Views hold every row of the pool, weak beside strong, in the order of its ids; what does not fit is refused."""

import json
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews, key
from labelbench_ray.augmentations.images import Images
from labelbench_ray.datasets import Records
from labelbench_ray.embeddings import augmented as views_module
from labelbench_ray.embeddings import shards
from labelbench_ray.embeddings.augmented import augmented_pairs, finished_views, missing_views, read_view_manifest
from labelbench_ray.embeddings.decoding import DecodedShard, augment, decode_shard
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, embed_shard, found_shard
from labelbench_ray.embeddings.finished import close_view
from labelbench_ray.embeddings.manifests import ViewManifest
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders.pixels import PixelNetwork, Pixels
from labelbench_ray.errors import DataError, OtherVersionError, StoreError
from tests.ray.not_finite import BrokenNetwork
from tests.samples import make_manifest

IMAGES = Images()
RECIPE = plugins.recipe("images", IMAGES)
SHARDS = {"pool": [12, 12, 5], "validation": [3], "test": [4]}
REJECTED = {("pool", 0): 4, ("pool", 2): 0}
SIDE = 4


class Coded(Pixels):
    """A payload is a number, and the image's pixels are made from it."""

    def decode(self, payload: str) -> np.ndarray:
        if payload == "broken":
            raise ValueError("broken")
        return np.random.default_rng(int(payload)).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


ENCODER = Coded(size=SIDE)


def records(split: str, number: int, rows: int) -> Records:
    """Rows in no order; some cannot be decoded."""
    order = np.random.default_rng(number).permutation(rows)
    payloads = ["broken" if row == REJECTED.get((split, number)) else str(1000 * number + row) for row in order]
    return Records([f"{split}/{number}/{row:02d}" for row in order], payloads, order % 3)


def decoded(split: str, number: int, rows: int) -> DecodedShard:
    return decode_shard(records(split, number, rows), ENCODER)


def make_store(folder: Path) -> EmbeddingStore:
    directory = folder / "thekey"
    (directory / "shards").mkdir(parents=True)
    job = EmbeddingJob(ENCODER, directory, "recipe", "cpu", 12)
    made = [
        embed_shard(decoded(split, number, rows), PixelNetwork(), job, ShardId(split, number))
        for split, sizes in SHARDS.items()
        for number, rows in enumerate(sizes)
    ]
    manifest = make_manifest(
        "thekey",
        [each.entry for each in made],
        compute=PixelNetwork().compute,
        dimensions=SIDE**2,
        rejects=len(REJECTED),
    )
    (directory / "manifest.json").write_text(manifest.model_dump_json())
    return EmbeddingStore.open(directory)


def wanted(count: int) -> WantedViews:
    return WantedViews(IMAGES, RECIPE, count)


DIGEST = wanted(1).digest


def views_job(store: EmbeddingStore, recipe: dict = RECIPE) -> EmbeddingJob:
    views = WantedViews(IMAGES, recipe, 2)
    return EmbeddingJob(ENCODER, store.directory, store.manifest.content, "cpu", 12, views=views)


def embed_view(store: EmbeddingStore, view: int) -> list[EmbeddedShard]:
    """What workers do for one view, shards that are there kept; without the manifest."""
    job = views_job(store)
    (job.folder(view) / "shards").mkdir(parents=True, exist_ok=True)
    return [
        found_shard(job, shard)
        or embed_shard(augment(decoded("pool", shard.number, rows), IMAGES, view), PixelNetwork(), job, shard)
        for number, rows in enumerate(SHARDS["pool"])
        for shard in [ShardId("pool", number, view)]
    ]


def add_views(store: EmbeddingStore, count: int) -> EmbeddingStore:
    for view in missing_views(store, wanted(count)):
        close_view(store, wanted(count), view, embed_view(store, view), 2.5)
    return store


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return make_store(tmp_path)


def place(store: EmbeddingStore, view: int) -> Path:
    return store.directory / "views" / DIGEST / str(view)


def files(folders: Sequence[Path]) -> dict[Path, tuple[bytes, int]]:
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_pairs_meet_by_row_id_around_rejected_rows(store):
    """Every row by itself, through nothing but its own id and payload."""
    views = augmented_pairs(add_views(store, 3), DIGEST, 3)
    payloads = {
        row_id: payload
        for number, rows in enumerate(SHARDS["pool"])
        for row_id, payload in zip(
            *(getattr(records("pool", number, rows), f) for f in ("row_ids", "payloads")), strict=True
        )
    }
    row_ids = store.row_ids()
    assert len(row_ids) == len(payloads) - 2 == 27
    assert len(views) == 3
    for view, pairs in enumerate(views):
        assert (pairs.shape, pairs.dtype) == ((27, 2, SIDE**2), np.float16)
        for row, row_id in enumerate(row_ids):
            image = ENCODER.decode(payloads[row_id])
            for form, change in enumerate((IMAGES.weak, IMAGES.strong)):
                expected = change(image, key(row_id, view)).reshape(-1) / 255
                np.testing.assert_allclose(pairs[row, form], expected, atol=1e-3)


def test_views_of_fewer_are_the_first(store):
    add_views(store, 3)
    for few, all_of_them in zip(augmented_pairs(store, DIGEST, 2), augmented_pairs(store, DIGEST, 3), strict=False):
        np.testing.assert_array_equal(few, all_of_them)


def test_views_are_mapped_and_made_once(store):
    """The shards are not read a second time: they may be gone."""
    first = augmented_pairs(add_views(store, 1), DIGEST, 1)[0]
    assert isinstance(first, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0, 0] = 1
    shutil.rmtree(place(store, 0) / "shards")
    np.testing.assert_array_equal(augmented_pairs(store, DIGEST, 1)[0], first)


def test_readers_at_once_make_an_array_once(store, monkeypatch):
    add_views(store, 1)
    made, write = [], views_module.write_array

    def slowly(path: Path, *rest: Any) -> np.ndarray:
        made.append(path)
        time.sleep(0.1)
        return write(path, *rest)

    monkeypatch.setattr(views_module, "write_array", slowly)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: augmented_pairs(store, DIGEST, 1)[0], range(4)))
    assert len(made) == 1
    for pairs in found:
        np.testing.assert_array_equal(pairs, found[0])


def test_a_disk_that_does_not_answer_is_not_taken_for_a_damaged_view(store, monkeypatch):
    store = add_views(store, 1)

    def down(path):
        raise OSError("it does not answer")

    monkeypatch.setattr(Path, "read_bytes", down)
    with pytest.raises(OSError, match="it does not answer"):
        read_view_manifest(store, DIGEST, 0)


def test_making_an_array_goes_on_after_a_kill(store):
    """The draft that a killed process left is overwritten."""
    augmented_pairs(add_views(store, 1), DIGEST, 1)
    (array,) = place(store, 0).glob("arrays/*.npy")
    expected = np.load(array)
    array.rename(array.with_name(f".{array.name}.draft"))
    np.testing.assert_array_equal(augmented_pairs(store, DIGEST, 1)[0], expected)
    assert sorted(path.name for path in array.parent.iterdir()) == [array.name, "lock"]


def test_adding_views_touches_nothing_and_equals_making_them_at_once(store, tmp_path):
    augmented_pairs(add_views(store, 2), DIGEST, 2)
    before = files([store.directory])
    add_views(store, 4)
    after = files([store.directory])
    assert {path: after[path] for path in before} == before
    other = add_views(make_store(tmp_path / "other"), 4)
    for view, (one, at_once) in enumerate(
        zip(augmented_pairs(store, DIGEST, 4), augmented_pairs(other, DIGEST, 4), strict=True)
    ):
        np.testing.assert_array_equal(one, at_once)
        assert read_view_manifest(store, DIGEST, view) == read_view_manifest(other, DIGEST, view)
    assert [path.read_bytes() for path in sorted(store.directory.glob("views/*/*/shards/*"))] == [
        path.read_bytes() for path in sorted(other.directory.glob("views/*/*/shards/*"))
    ]


def test_a_killed_embedding_redoes_only_what_is_missing_or_damaged(store, tmp_path):
    embed_view(store, 0)
    kept, gone, damaged = (place(store, 0) / f"shards/pool-0000{number}.parquet" for number in range(3))
    gone.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-30])
    before = kept.stat().st_mtime_ns
    add_views(store, 1)
    assert kept.stat().st_mtime_ns == before
    assert read_view_manifest(store, DIGEST, 0) == read_view_manifest(
        add_views(make_store(tmp_path / "other"), 1), DIGEST, 0
    )


def test_shards_of_another_augmentation_or_view_do_not_count_as_found(store):
    embed_view(store, 0)
    job, other = views_job(store), views_job(store, {"name": "other"})
    assert found_shard(job, ShardId("pool", 0, 0))
    (other.folder(0) / "shards").mkdir(parents=True)
    shutil.copy(place(store, 0) / "shards/pool-00000.parquet", other.folder(0) / "shards")
    assert found_shard(other, ShardId("pool", 0, 0)) is None
    (place(store, 1) / "shards").mkdir(parents=True)
    shutil.copy(place(store, 0) / "shards/pool-00000.parquet", place(store, 1) / "shards")
    assert found_shard(job, ShardId("pool", 0, 1)) is None


def test_a_store_that_changed_underneath_takes_no_old_shards(store):
    embed_view(store, 0)
    other = replace(store, manifest=store.manifest.model_copy(update={"compute": "other"}))
    assert found_shard(views_job(other), ShardId("pool", 0, 0)) is None


def test_views_that_are_not_there_are_refused_with_both_numbers(store):
    with pytest.raises(StoreError, match=rf"views/{DIGEST}: 0 views are there, 1 are asked for; `labelbench embed`"):
        augmented_pairs(store, DIGEST, 1)
    add_views(store, 3)
    (place(store, 1) / "manifest.json").unlink()  # as after a kill
    with pytest.raises(StoreError, match="2 views are there, 3 are asked for"):
        augmented_pairs(store, DIGEST, 3)
    with pytest.raises(StoreError, match="2 views are there, 5 are asked for"):
        augmented_pairs(store, DIGEST, 5)
    assert missing_views(store, wanted(4)) == [1, 3]
    assert finished_views(store.directory, DIGEST, 4) == [0, 2]


def test_a_view_of_another_store_s_content_is_refused(store):
    add_views(store, 1)
    other = replace(store, manifest=store.manifest.model_copy(update={"compute": "other"}))
    for refused in (lambda: augmented_pairs(other, DIGEST, 1), lambda: missing_views(other, wanted(2))):
        with pytest.raises(StoreError, match=rf"{DIGEST}/0/manifest.json: was made from the store .* here is .*delete"):
            refused()


def rewrite(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"view": 1}, "of view 1 of"),
        ({"augmentation": {"name": "other"}}, "belongs elsewhere"),
        ({"seconds": None}, "seconds"),
    ],
)
def test_a_manifest_that_is_not_this_view_s_is_refused_by_name(store, fields: dict, message: str):
    path = place(add_views(store, 1), 0) / "manifest.json"
    rewrite(path, **fields)
    with pytest.raises(
        StoreError, match=rf"{DIGEST}/0/manifest\.json.*{message}.*delete .*{DIGEST}/0 to embed that view"
    ):
        augmented_pairs(store, DIGEST, 1)


@pytest.mark.parametrize(("fields", "message"), [({"colour": "red"}, "'colour'"), ({"format": 2}, "format 2")])
def test_a_manifest_of_another_version_is_refused_and_not_called_damaged(store, fields: dict, message: str):
    path = place(add_views(store, 1), 0) / "manifest.json"
    rewrite(path, **fields)
    with pytest.raises(OtherVersionError, match=rf"{DIGEST}/0/manifest\.json: was written .*{message}.*--store"):
        augmented_pairs(store, DIGEST, 1)


def test_a_manifest_cut_short_is_refused_by_name(store):
    path = place(add_views(store, 1), 0) / "manifest.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreError, match=r"0/manifest\.json: .*delete .* to embed that view again"):
        augmented_pairs(store, DIGEST, 1)


def test_a_damaged_shard_is_refused_by_name_and_leaves_no_array(store):
    path = place(add_views(store, 2), 1) / "shards/pool-00001.parquet"
    data = bytearray(path.read_bytes())
    data[600] ^= 1  # within the embeddings
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"1/shards/pool-00001\.parquet"):
        augmented_pairs(store, DIGEST, 2)
    assert [each.name for each in (place(store, 1) / "arrays").iterdir()] == ["lock"]


def test_a_whole_shard_that_is_another_view_s_is_refused_by_name(store):
    add_views(store, 2)
    shutil.copy(place(store, 0) / "shards/pool-00001.parquet", place(store, 1) / "shards/pool-00001.parquet")
    with pytest.raises(StoreError, match=r"1/shards/pool-00001\.parquet: its content is not what the manifest states"):
        augmented_pairs(store, DIGEST, 2)


def test_a_damaged_array_is_refused_by_name(store):
    augmented_pairs(add_views(store, 1), DIGEST, 1)
    (array,) = place(store, 0).glob("arrays/*.npy")
    array.write_bytes(array.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"arrays/.*\.npy: .*delete it to have it made again"):
        augmented_pairs(store, DIGEST, 1)


@pytest.mark.parametrize("change", ["a row less", "another id", "another reject"])
def test_a_view_of_other_rows_than_the_store_s_is_refused_by_name(store, change: str):
    """When it is closed; and when its array is made, should the store's file be another one by then."""
    made = embed_view(store, 0)
    path = store.directory / "shards/pool-00001.parquet"
    loaded = shards.load_shard(path)
    rows = loaded.rows
    other = {
        "a row less": replace(
            rows,
            row_ids=rows.row_ids[1:],
            labels_B=rows.labels_B[1:],
            embeddings_BD=rows.embeddings_BD[1:],
            contents=None,
        ),
        "another id": replace(rows, row_ids=[*rows.row_ids[:-1], "zzz"]),
        "another reject": replace(rows, rejects={"pool/1/99": "gone"}),
    }[change]
    whole = path.read_bytes()
    path.write_bytes(shards.shard_bytes(other, loaded.recipe, loaded.compute))
    message = r"0/shards/pool-00001\.parquet: holds other rows than .*thekey/shards/pool-00001\.parquet; delete"
    with pytest.raises(StoreError, match=message):
        close_view(store, wanted(1), 0, made, 1.0)
    assert not (place(store, 0) / "manifest.json").exists()
    path.write_bytes(whole)
    close_view(store, wanted(1), 0, made, 1.0)
    path.write_bytes(shards.shard_bytes(other, loaded.recipe, loaded.compute))
    with pytest.raises(StoreError, match=message):
        augmented_pairs(store, DIGEST, 1)


def test_shards_of_several_compute_paths_are_refused(store):
    made = embed_view(store, 0)
    with pytest.raises(StoreError, match=r"different compute paths \(gpu, numpy float32 cpu\)"):
        close_view(store, wanted(1), 0, [replace(made[0], compute="gpu"), *made[1:]], 1.0)


def test_an_embedding_that_is_not_finite_names_its_row(store):
    pair = augment(decoded("pool", 1, 12), IMAGES, 0)
    with pytest.raises(DataError, match=r"row 'pool/1/00': its embedding by .* holds NaN"):
        embed_shard(pair, BrokenNetwork(), views_job(store), ShardId("pool", 1, 0))


def test_shards_and_hashes_are_those_of_stores_that_are_on_disk(store):
    """As the commit 70d4ad4 wrote them, where a view was another kind of store: none is embedded again."""
    add_views(store, 2)
    assert store.manifest.content == "d5a476ab6faab826"
    manifests = [read_view_manifest(store, DIGEST, view) for view in range(2)]
    assert [manifest.content for manifest in manifests] == ["ee0cebfae556138c", "bac675a95675359d"]
    for view, (recipe, hashes) in enumerate(
        (("66d5c227e7d26af2", "ef2c21fa fcde820c 54dbf027"), ("6f4299b005f8409f", "ac522c30 ecc70d86 057b815a"))
    ):
        found = [shards.load_shard(path) for path in sorted((place(store, view) / "shards").iterdir())]
        assert {loaded.recipe for loaded in found} == {recipe}
        assert [loaded.rows.sha256()[:8] for loaded in found] == hashes.split()


def test_the_manifest_says_what_made_the_view(store):
    manifest = ViewManifest.model_validate_json((place(add_views(store, 2), 1) / "manifest.json").read_bytes())
    assert manifest.augmentation == RECIPE
    assert (manifest.view, manifest.seconds, manifest.base) == (1, 2.5, store.manifest.content)
    assert manifest.compute == "numpy float32 cpu"
    assert [entry.rows for entry in manifest.shards] == [11, 12, 4]


def test_the_store_itself_is_the_same_with_and_without_views(store):
    before = files([store.directory])
    content = store.manifest.content
    augmented_pairs(add_views(store, 2), DIGEST, 2)
    after = files([store.directory])
    assert {path: after[path] for path in before} == before
    assert EmbeddingStore.open(store.directory).manifest.content == content

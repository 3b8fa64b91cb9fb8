"""Decoded images lie where their pool ids say, whatever was rejected and however shards were cut."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import SPLITS, Source
from labelbench_ray.embeddings import images as images_module
from labelbench_ray.embeddings.decoding import decode_shard
from labelbench_ray.embeddings.embed import EmbeddingJob, all_shards, embed_shard, read_records
from labelbench_ray.embeddings.finished import close_store
from labelbench_ray.embeddings.images import decoded_images, image_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Trainable
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.trial import parts
from labelbench_ray.trial.parts import Parts

SIZE = 32


class Means:
    """A network for the sake of the store: each image's mean color."""

    compute = "means"

    def embed(self, decoded):
        return np.stack([image.mean(axis=(0, 1)) for image in decoded]).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 training and 12 test images in two classes, two of the training images broken."""
    rng = np.random.default_rng(0)
    for split, rows in (("train", 30), ("test", 12)):
        for number in range(rows):
            path = tmp_path / "data" / "shots" / split / ("dark", "light")[number % 2] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(buffer, "PNG")
            path.write_bytes(b"broken" if split == "train" and number in (6, 13) else buffer.getvalue())
    return tmp_path / "data" / "shots"


@pytest.fixture
def built() -> Parts:
    return parts.build(
        Trial(
            dataset=Part.of("image_folder", path="shots"),
            encoder=Part.of("efficientnet_lite0", size=SIZE),
            strategy=Part(name="random"),
            seed=0,
            rounds=1,
            budget=5,
        )
    )


def open_source(built: Parts, folder: Path) -> Source:
    return built.dataset.open(folder.parent)


def embedded(built: Parts, folder: Path, tmp_path: Path) -> EmbeddingStore:
    """A store of shards of 7 rows, made as a job makes it."""
    source, directory = open_source(built, folder), tmp_path / "store" / built.embedding
    (directory / "shards").mkdir(parents=True)
    job = EmbeddingJob(built.encoder, directory, "recipe", "cpu", 7)
    made = [
        embed_shard(decode_shard(read_records(source, item, 7), built.encoder), Means(), job, item)
        for item in all_shards(source, 7)
    ]
    close_store(built.store_recipe, source, built.encoder.weights(), job, made, 1.0)
    return EmbeddingStore.open(directory)


@pytest.fixture
def store(built: Parts, folder: Path, tmp_path: Path) -> EmbeddingStore:
    return embedded(built, folder, tmp_path)


def encoder_of(built: Parts) -> Trainable:
    assert isinstance(built.encoder, Trainable)
    return built.encoder


def test_images_meet_their_pool_ids_with_rejects_in_the_middle(built, folder, store, monkeypatch):
    monkeypatch.setattr(images_module, "READ_ROWS", 4)
    assert store.manifest.rejects == 2
    source, progress_reports = open_source(built, folder), []
    found = decoded_images(store, source, encoder_of(built), lambda *progress: progress_reports.append(progress))
    arrays = store.arrays()
    for split in SPLITS:
        images = found.splits[split]
        assert images.shape == (store.manifest.count(split), SIZE, SIZE, 3)
        assert images.dtype == np.uint8
        # an oracle of its own: each row's file, opened by its row_id
        for image, row_id in zip(images, store.row_ids(split), strict=True):
            np.testing.assert_array_equal(image, built.encoder.decode((folder / row_id).read_bytes()))
        np.testing.assert_allclose(
            images.mean(axis=(1, 2)), getattr(arrays, split).embeddings_ND.astype(np.float32), atol=0.1
        )
        assert (split, len(source.splits[split]), len(source.splits[split])) in progress_reports
    with pytest.raises(ValueError, match="read-only"):
        found.pool[0] = 0


def test_images_are_made_once_and_then_mapped(built, folder, store, monkeypatch):
    source = open_source(built, folder)
    first = decoded_images(store, source, encoder_of(built))
    monkeypatch.setattr(images_module, "apart", lambda *_: pytest.fail("decoded again"))
    again = decoded_images(store, source, encoder_of(built))
    np.testing.assert_array_equal(again.splits["test"], first.splits["test"])
    assert isinstance(again.pool, np.memmap)


def test_a_killed_process_leaves_nothing_that_counts(built, folder, store):
    source = open_source(built, folder)
    store.arrays()
    draft = store.directory / "arrays" / store.manifest.content / ".images.99999.draft"
    draft.mkdir()
    decoded_images(store, source, encoder_of(built))
    assert not draft.exists()


def test_their_bytes_are_known_before_they_are_made(built, folder, store):
    source = open_source(built, folder)
    decoded_images(store, source, encoder_of(built))
    rows = {split: store.manifest.count(split) for split in SPLITS}
    files = (store.directory / "arrays" / store.manifest.content / "images").glob("*.npy")
    headers = 128 * len(SPLITS)
    assert sum(os.path.getsize(file) for file in files) == image_bytes(rows, encoder_of(built)) + headers


def test_a_full_disk_is_said_before_anything_is_written(built, folder, store, monkeypatch):
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(StoreError, match=r"needs 0\.0 GB, 0\.0 GB are free; make room"):
        decoded_images(store, open_source(built, folder), encoder_of(built))


def test_another_data_set_is_refused(built, folder, store):
    (folder / "test" / "dark" / "more.png").write_bytes(b"more")
    with pytest.raises(StoreError, match="made from other data"):
        decoded_images(store, open_source(built, folder), encoder_of(built))


def test_weights_that_were_exchanged_since_are_refused(built, folder, store, monkeypatch):
    monkeypatch.setattr(type(built.encoder), "weights", lambda self: "others")
    with pytest.raises(StoreError, match=r"made from other weights.*here others"):
        decoded_images(store, open_source(built, folder), encoder_of(built))


def test_another_image_size_is_refused(built, folder, store):
    other = type(built.encoder)(size=64)
    with pytest.raises(StoreError, match=r"made from other preprocessing.*64 x 64"):
        decoded_images(store, open_source(built, folder), other)


def test_a_row_that_broke_since_is_named(built, folder, store):
    """An edit in place that keeps the size is not in the signature."""
    path = folder / "train" / "dark" / "004.png"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DataError, match=r"004\.png.* was embedded and can no longer be decoded"):
        decoded_images(store, open_source(built, folder), encoder_of(built))


def test_a_damaged_array_states_how_to_fix_it(built, folder, store):
    source = open_source(built, folder)
    decoded_images(store, source, encoder_of(built))
    images = store.directory / "arrays" / store.manifest.content / "images"
    (images / "test.npy").write_bytes(b"")
    with pytest.raises(StoreError, match=r"delete .* to have it made again"):
        decoded_images(store, source, encoder_of(built))


def test_no_decoder_runs_in_the_process_that_asks(built, folder, store, monkeypatch):
    """Which may be the driver."""
    encoder = encoder_of(built)

    def here(self: object, payload: object) -> None:
        raise AssertionError("decoded in this process")

    monkeypatch.setattr(type(encoder), "decode", here)
    images = decoded_images(store, open_source(built, folder), encoder)
    assert len(images.pool) == store.manifest.count("pool")

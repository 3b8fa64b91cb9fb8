"""Embedding with Ray Data: meets labels by id, goes on where it stopped, and refuses what does not fit."""

import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray.augmentations import key
from labelbench_ray.cluster import pipeline
from labelbench_ray.cluster.embed import RayEmbedder
from labelbench_ray.cluster.slices import EmbeddedSlice
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.datasets import SPLITS
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.augmented import augmented_pairs
from labelbench_ray.embeddings.complete import Progress, complete_store
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.environment import Environment
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.storage.quarantine import set_asides
from labelbench_ray.trial import parts
from tests.augmentations.wanting import Wanting
from tests.ray.conftest import environment_in
from tests.samples import write_images
from tests.sliced_encoder import SIZE

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]
IMAGES = Part.of("image_folder", path="images")
SHARD_ROWS = 64


def trial(dataset: Part, encoder: Part = Part(name="pixels")) -> Trial:  # noqa: B008  frozen
    return Trial(dataset=dataset, encoder=encoder, strategy=Part(name="random"), seed=0, rounds=1, budget=5)


def embed_it(
    built: parts.Parts, environment: Environment, progress: Progress = lambda done, total: None
) -> EmbeddingStore:
    embedder = RayEmbedder(environment.encoder_actors)
    return complete_store(built.store_recipe, built.wanted_views, environment, embedder, progress)


@pytest.fixture(scope="module")
def embedded(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """150 training and 40 test images in two classes, embedded; tests change copies of it."""
    here = environment_in(tmp_path_factory.mktemp("embedded"))
    write_images(here.data_root / "images", {"train": 150, "test": 40})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(complete, "SHARD_ROWS", SHARD_ROWS)
        embed_it(parts.build(trial(IMAGES)), here)
    return here


@pytest.fixture
def images(environment: Environment, embedded: Environment, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images, and no embeddings."""
    monkeypatch.setattr(complete, "SHARD_ROWS", SHARD_ROWS)
    shutil.copytree(embedded.data_root, environment.data_root)
    return environment.data_root / "images"


@pytest.fixture
def whole(environment: Environment, embedded: Environment, images: Path) -> EmbeddingStore:
    """Their finished store."""
    shutil.copytree(embedded.store, environment.store)
    return EmbeddingStore.open(environment.store / parts.build(trial(IMAGES)).embedding)


@pytest.fixture(scope="module")
def digits(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, EmbeddingStore]:
    """All digits, embedded."""
    here = environment_in(tmp_path_factory.mktemp("digits"))
    return here, embed_it(parts.build(trial(Part(name="digits"))), here)


def test_embeddings_meet_their_labels_and_ids(digits: tuple[Environment, EmbeddingStore]) -> None:
    environment, store = digits
    built = parts.build(trial(Part(name="digits")))
    pool = store.arrays().pool
    row_ids = store.row_ids()
    records = built.dataset.open(environment.data_root).splits["pool"].read(0, 2000)
    expected = {
        row_id: (np.asarray(Image.open(io.BytesIO(payload))).reshape(-1) / np.float32(255), label)
        for row_id, payload, label in zip(records.row_ids, records.payloads, records.labels_B, strict=True)
    }
    assert sorted(row_ids) == sorted(expected)
    for place, row_id in enumerate(row_ids):
        np.testing.assert_allclose(pool.embeddings_ND[place], expected[row_id][0], atol=1e-3)
        assert pool.labels_N[place] == expected[row_id][1]


def test_a_second_call_does_nothing(digits: tuple[Environment, EmbeddingStore]) -> None:
    environment, store = digits
    built = parts.build(trial(Part(name="digits")))
    assert store.manifest.spent.cpu > 0
    assert store.manifest.spent.gpu == 0
    shards = store.directory.glob("shards/*.parquet")
    assert store.manifest.spent.bytes_written == sum(path.stat().st_size for path in shards)
    files = (path for path in store.directory.rglob("*") if path.is_file() and path.name != "lock")
    before = {path: path.stat().st_mtime_ns for path in files}  # a lock's file names who holds it
    assert embed_it(built, environment).manifest == store.manifest
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_killed_embed_redoes_only_the_missing_and_the_damaged_shards(
    environment: Environment, whole: EmbeddingStore
) -> None:
    built = parts.build(trial(IMAGES))
    (whole.directory / "manifest.json").unlink()
    (whole.directory / "shards/pool-00001.parquet").unlink()
    damaged = whole.directory / "shards/pool-00002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    kept = whole.directory / "shards/pool-00000.parquet"
    before = kept.stat().st_mtime_ns
    again = embed_it(built, environment)
    assert [entry.rows for entry in again.manifest.shards] == [64, 64, 22, 20, 20]
    assert kept.stat().st_mtime_ns == before
    assert again.manifest.content == whole.manifest.content
    assert again.manifest.shards == whole.manifest.shards


def test_a_damaged_shard_of_a_finished_store_is_set_aside_and_embedded_again(
    environment: Environment, whole: EmbeddingStore
) -> None:
    built, store = parts.build(trial(IMAGES)), whole
    shards = sorted((store.directory / "shards").glob("*.parquet"))
    sound = {path: path.read_bytes() for path in shards}
    shards[0].write_bytes(sound[shards[0]][:-20])
    shards[-1].unlink()
    with pytest.raises(StoreError, match=rf"{shards[0].name}: .*`labelbench embed` embeds it again"):
        store.arrays()
    embed_it(built, environment)
    assert {path: path.read_bytes() for path in shards} == sound
    assert len(set_asides(store.directory)) == 2
    store.arrays()
    shards[0].write_bytes(b"")  # read no more where the arrays are
    embed_it(built, environment)
    assert shards[0].read_bytes() == b""


def test_rows_that_cannot_be_decoded_are_rejected_with_a_reason(environment: Environment, images: Path) -> None:
    (images / "train/dark/000.png").write_bytes(b"no image")
    (images / "train/light/001.png").write_bytes(b"")
    # Embedding ends at the first shard that exceeds the limit.
    with pytest.raises(DataError, match=r"[12] of 190 rows cannot be decoded, more than --max-reject-fraction 0.0 "):
        embed_it(parts.build(trial(IMAGES)), replace(environment, max_reject_fraction=0.0))
    store = embed_it(parts.build(trial(IMAGES)), environment)  # a few of a small data set may be
    rejects = pq.read_table(store.directory / "rejects.parquet").to_pylist()
    assert sorted(row["row_id"] for row in rejects) == ["train/dark/000.png", "train/light/001.png"]
    assert all(row["split"] == "pool" and row["reason"] for row in rejects)
    assert store.manifest.count("pool") == len(store.arrays().pool.labels_N) == 148
    assert not {row["row_id"] for row in rejects} & set(store.row_ids())


@pytest.mark.usefixtures("whole")
def test_a_store_made_from_other_data_is_refused(environment: Environment, images: Path) -> None:
    built = parts.build(trial(IMAGES))
    (images / "train/dark/new.png").write_bytes((images / "train/dark/000.png").read_bytes())
    with pytest.raises(StoreError, match="was made from other data"):
        embed_it(built, environment)


def test_data_that_change_while_they_are_embedded_are_embedded_as_they_are_then(
    environment: Environment, images: Path
) -> None:
    """The command that meets the change ends; the next one embeds the rows again that changed, and no others."""
    built = parts.build(trial(IMAGES))
    path = images / "train/dark/000.png"
    whole = path.read_bytes()

    first = environment.store / built.embedding / "shards" / "pool-00000.parquet"

    def change(done: int, total: int) -> None:
        if not first.is_file():  # the row may not have been read yet
            return
        other = Image.open(io.BytesIO(whole)).transpose(Image.Transpose.ROTATE_180)
        buffer = io.BytesIO()
        other.save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())

    with pytest.raises(DataError, match=r"the data changed while they were embedded \(files .*train/dark/000.png"):
        embed_it(built, environment, change)
    shards = environment.store / built.embedding / "shards"
    before = {file.name: file.stat().st_mtime_ns for file in shards.iterdir()}
    store = embed_it(built, environment)
    changed = {file.name for file in shards.iterdir() if file.stat().st_mtime_ns != before[file.name]}
    assert changed == {"pool-00000.parquet"}
    place = store.row_ids().index("train/dark/000.png")
    expected = np.asarray(Image.open(path)).reshape(-1) / 255
    np.testing.assert_allclose(store.arrays().pool.embeddings_ND[place], expected, atol=1e-3)


@pytest.mark.usefixtures("images")
def test_shards_that_travel_in_slices_are_as_whole_ones(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each embedding shows with which rows it was in the network."""
    built = parts.build(trial(IMAGES, Part.of("tests.sliced_encoder", batch_size=4)))
    local = complete_store(
        built.store_recipe,
        None,
        replace(environment, store=environment.store / "local"),
        LocalEmbedder(),
        lambda done, total: None,
    )
    monkeypatch.setattr(pipeline, "SLICE_BYTES", 8 * SIZE * SIZE * 3)
    joined: list[int] = []
    real = pipeline.write_slices

    def noted(slices: Sequence[EmbeddedSlice], job: EmbeddingJob, shard: ShardId) -> EmbeddedShard:
        joined.append(len(slices))
        return real(slices, job, shard)

    monkeypatch.setattr(pipeline, "write_slices", noted)
    store = embed_it(built, replace(environment, encoder_actors=2))
    assert sorted(joined) == [3, 3, 3, 8, 8]
    assert store.manifest.content == local.manifest.content
    assert store.manifest.shards == local.manifest.shards
    for entry in store.manifest.shards:
        assert (store.directory / entry.file).read_bytes() == (local.directory / entry.file).read_bytes()


def test_an_embedding_that_is_not_finite_names_its_row(environment: Environment) -> None:
    built = parts.build(trial(Part.of("digits", max_rows=20), Part(name="tests.ray.not_finite")))
    with pytest.raises(DataError, match=r"row 'digits/\d+': its embedding by .* holds NaN"):
        embed_it(built, environment)


def kill(path: Path, appended: bytes) -> None:
    """Append what `tests.deadly` ends its process for; to `pixels` it is the same image."""
    path.write_bytes(path.read_bytes() + appended)


def test_rows_that_kill_are_rejected_and_the_others_are_as_without_them(
    environment: Environment, images: Path, embedded: Environment
) -> None:
    """With two actors as with one, in the embeddings of the store and of its views."""
    kill(images / "train/dark/010.png", b"crash")
    kill(images / "train/light/011.png", b"exit")
    kill(images / "test/dark/020.png", b"stuck")
    here = replace(environment, encoder_actors=2, max_reject_fraction=0.02, row_seconds=6.0)
    decoders = environment.data_root / "decoders"
    decoders.mkdir()
    trainer = Part.of("tests.augmentations.wanting", views=1)
    encoder = Part.of("tests.deadly", folder=str(decoders))
    deadly = embed_it(parts.build(vary(trial(IMAGES, encoder), trainer=trainer)), here)
    rejects = {row["row_id"]: row["reason"] for row in pq.read_table(deadly.directory / "rejects.parquet").to_pylist()}
    assert rejects == {
        "train/dark/010.png": "decoding this row ended the process with SIGSEGV",
        "train/light/011.png": "decoding this row ended the process with exit status 3",
        "test/dark/020.png": "decoding this row took longer than 6 s",
    }
    plain = EmbeddingStore.open(embedded.store / parts.build(trial(IMAGES)).embedding)  # of the same images
    for split in SPLITS:
        found = dict(zip(deadly.row_ids(split), split_of(deadly, split), strict=True))
        wanted = dict(zip(plain.row_ids(split), split_of(plain, split), strict=True))
        assert found == {row_id: row for row_id, row in wanted.items() if row_id not in rejects}
    (view,) = augmented_pairs(deadly, Wanting().wanted_views().digest, 1)
    assert len(view) == deadly.manifest.count("pool") == 148
    assert not (deadly.directory / "attempts").exists()
    assert str(os.getpid()) not in {path.name for path in decoders.iterdir()}


def split_of(store: EmbeddingStore, split: str) -> list[bytes]:
    return [row.tobytes() for row in getattr(store.arrays(), split).embeddings_ND]


def test_a_network_that_kills_its_actor_ends_the_command_by_name(environment: Environment, images: Path) -> None:
    """While it is loaded; tests/faults/deadly_network.py has the one that dies of a shard."""
    deadly = Part.of("tests.ray.deadly_network", loads=False)
    with pytest.raises(DataError, match=r"loading .* 3 times") as raised:
        embed_it(parts.build(trial(IMAGES, deadly)), environment)
    assert "\n" not in str(raised.value)


def test_views_are_added_around_rejected_and_removed_rows_and_go_on_after_a_kill(
    environment: Environment, images: Path
) -> None:
    """Each pair is that of its own row, by row id; what is there stays untouched."""
    (images / "train/dark/010.png").write_bytes(b"no image")
    shutil.copy(images / "train/dark/070.png", images / "test/dark/copy.png")  # removed from the second shard
    dataset = Part.of("image_folder", path="images", drop_duplicates=True)
    lenient = replace(environment, max_reject_fraction=0.05)

    def embed_views(count: int) -> EmbeddingStore:
        trainer = Part.of("tests.augmentations.wanting", views=count)
        return embed_it(parts.build(vary(trial(dataset), trainer=trainer)), lenient)

    store = embed_views(2)
    wanted = Wanting().wanted_views()
    second = store.directory / "views" / wanted.digest / "1"
    (second / "manifest.json").unlink()  # as if killed within the second view
    (second / "shards/pool-00002.parquet").unlink()
    before = {path: path.stat().st_mtime_ns for path in store.directory.rglob("*.parquet")}
    store = embed_views(3)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    encoder, row_ids = Pixels(), store.row_ids()
    assert len(row_ids) == 148
    assert not {"train/dark/010.png", "train/dark/070.png"} & {*row_ids}
    for view, pairs in enumerate(augmented_pairs(store, wanted.digest, 3)):
        for place, row_id in enumerate(row_ids):
            image = encoder.decode((images / row_id).read_bytes())
            for form, change in enumerate((wanted.augmentation.weak, wanted.augmentation.strong)):
                expected = change(image, key(row_id, view)).reshape(-1) / 255
                np.testing.assert_allclose(pairs[place, form], expected, atol=1e-3)

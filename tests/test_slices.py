"""Shards of large images travel in slices: the same files, and never more than a stated number of bytes at once."""

import json
import re
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_ray.cluster import pipeline
from labelbench_ray.cluster.slices import SLICE_BYTES, EmbeddedSlice, has_all, joined, slice_rows, write_slices
from labelbench_ray.config import Part, Trial
from labelbench_ray.costs import NOTHING
from labelbench_ray.datasets import Records, Source
from labelbench_ray.embeddings import shard_attempts
from labelbench_ray.embeddings.attempts import attempt
from labelbench_ray.embeddings.decoding import decode_shard, decode_slices
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, begin_rows
from labelbench_ray.embeddings.isolation import Rejected
from labelbench_ray.embeddings.shard_attempts import decoded_slices, within_limit, work_of
from labelbench_ray.embeddings.shards import ShardId, shard_bytes
from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0
from labelbench_ray.encoders.networks.torch_settings import BATCHES
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.errors import DataError, StoreError
from labelbench_ray.pool.facts import Facts
from labelbench_ray.trial import parts
from tests.augmentations.wanting import Wanting
from tests.samples import write_images
from tests.sliced_encoder import SIZE, MeanNetwork, Sliced

ROW_BYTES = SIZE * SIZE * 3
FORWARD = 4
ROWS = 30
POOL = ShardId("pool", 0)
SLICE = 2 * FORWARD * ROW_BYTES


class Worker:
    """The context of a worker of Ray."""

    @staticmethod
    def get_actor_id() -> str:
        return "actor"


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.ray, "get", lambda reference: reference)
    monkeypatch.setattr(pipeline.ray, "get_runtime_context", lambda: Worker)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A pool of 30 images, of which the first and the last in the order of embedding cannot be decoded."""
    write_images(tmp_path / "images", {"train": ROWS, "test": 4})
    (tmp_path / "images/train/dark/000.png").write_bytes(b"no image")
    last = max((tmp_path / "images/train/light").iterdir())
    last.write_bytes(b"")
    images = Part.of("image_folder", path="images")
    trial = Trial(dataset=images, encoder="pixels", strategy="random", seed=0, rounds=1, budget=5)
    return parts.build(trial).dataset.open(tmp_path)


def job_in(folder: Path, rows: int = ROWS) -> EmbeddingJob:
    for name in ("marks", "shards", "views"):
        (folder / name).mkdir(parents=True)
    augmentation = Wanting().wanted_views()
    job = EmbeddingJob(Sliced(batch_size=FORWARD), folder, "recipe", "cpu", rows, marks=folder / "marks")
    job = replace(job, views=augmentation)
    for view in range(2):
        (job.folder(view) / "shards").mkdir(parents=True)
    return job


def read_rows(job: EmbeddingJob, source: Source, shards: Sequence[ShardId], slice_bytes: int) -> list[dict[str, Any]]:
    """What the reader yields for shards of the same rows."""
    batches = pipeline._read_and_decode({"shards": [json.dumps(shards)]}, job, source, slice_bytes)
    return [{name: values[0] for name, values in batch.items()} for batch in batches]


def embedded(
    job: EmbeddingJob, source: Source, shards: Sequence[ShardId], slice_bytes: int = SLICE_BYTES
) -> list[EmbeddedShard]:
    """What the driver gets; slices are embedded in turn by two actors, in another order than they were read."""
    actors = [pipeline.EmbedActor(job), pipeline.EmbedActor(job)]
    rows = read_rows(job, source, shards, slice_bytes)[::-1]
    return [*pipeline._finished([actors[place % 2](row) for place, row in enumerate(rows)], job)]


def of_images(row: dict[str, Any]) -> int:
    return sum(value.nbytes for value in row.values() if isinstance(value, np.ndarray) and value.dtype == np.uint8)


@pytest.mark.parametrize(
    ("side", "forms", "rows"),
    [(224, 1, 1536), (224, 2, 768), (448, 1, 256), (384, 1, 512), (672, 1, 256), (1024, 2, 256)],
)
def test_a_slice_is_a_multiple_of_the_forward_pass_below_the_limit(side: int, forms: int, rows: int) -> None:
    """1,024 rows at 224 pixels are one slice; at 672 the images of one forward pass are more than the limit."""
    encoder = EfficientnetLite0(size=side)
    assert slice_rows(encoder, "cuda", forms) == rows
    assert rows % BATCHES["cuda"] == 0
    assert rows == BATCHES["cuda"] or rows * forms * side * side * 3 <= SLICE_BYTES


def test_rows_that_share_a_forward_pass_are_as_the_encoder_states() -> None:
    from labelbench_ray.encoders.networks.onnx import BATCH

    assert slice_rows(EfficientnetLite0(size=448, batch_size=100), "cuda", 1) == 400
    assert slice_rows(EfficientnetLite0(size=448), "cpu", 1) == 416
    assert BATCHES["cpu"] % BATCH == 0, "ONNX Runtime cuts its batches otherwise"
    assert slice_rows(Pixels(size=1024), "cpu", 1) is None, "its network may take all rows at once"


@pytest.mark.parametrize("views", [(None,), (0, 1)], ids=["store", "views"])
def test_files_have_the_same_bytes_with_and_without_slices(
    source: Source, tmp_path: Path, views: Sequence[int | None]
) -> None:
    """Also around rejects: those of a view are what the store rejects."""
    whole, cut = job_in(tmp_path / "whole"), job_in(tmp_path / "cut")
    shards = [ShardId("pool", 0, view) for view in views]
    slice_bytes = SLICE * (1 if views == (None,) else 2)
    if views != (None,):
        for job in (whole, cut):
            embedded(job, source, [POOL])
    (one, *_), several = read_rows(whole, source, shards, SLICE_BYTES), read_rows(cut, source, shards, slice_bytes)
    assert len(one["row_ids"]) == 28
    assert [len(row["row_ids"]) for row in several if row["shard"] == json.dumps(shards[0])] == [8, 8, 8, 4]
    assert max(map(of_images, several)) == slice_bytes
    once, joined = embedded(whole, source, shards), embedded(cut, source, shards, slice_bytes)
    assert {replace_cost(each) for each in once} == {replace_cost(each) for each in joined}
    assert all(each.spent.cpu > 0 for each in joined)
    for shard in shards:
        file = whole.folder(shard.view) / shard.file
        assert file.read_bytes() == (cut.folder(shard.view) / shard.file).read_bytes()
    assert [*joined[0].rejects] == ["train/dark/000.png", "train/light/029.png"]
    assert not [*(cut.directory / "marks").iterdir()]


def replace_cost(made: EmbeddedShard) -> str:
    """A shard without what differs from run to run."""
    return repr(replace(made, spent=NOTHING, rejects=dict(made.rejects)))


def gray(rows: Sequence[Any]) -> Any:
    """Decodes a number to an image of it; 255 is rejected."""
    return (Rejected("bad") if row == b"\xff" else np.full((SIZE, SIZE, 3), row[0], np.uint8) for row in rows)


def numbered(numbers: Sequence[int]) -> Records:
    row_ids = [f"r{place:02d}" for place in range(len(numbers))]
    groups_B = np.arange(len(numbers)) // 3
    facts = Facts(length=np.arange(len(numbers)) / 7)
    return Records(row_ids, [bytes([each]) for each in numbers], np.array(numbers) % 5, groups_B, facts)


@pytest.mark.parametrize(
    ("numbers", "sizes"),
    [
        ([*range(10)], [4, 4, 2]),
        ([*range(8)], [4, 4]),
        ([*range(8), 255, 255], [4, 4, 0]),
        ([255, 0, 1, 255, 255, 2, 3, 4, 255], [4, 1]),
        ([255, 255], [0]),
        ([], [0]),
    ],
)
def test_slices_are_cut_after_rejects_are_left_out_and_join_to_the_whole(
    tmp_path: Path, numbers: Sequence[int], sizes: Sequence[int]
) -> None:
    job, records, network = job_in(tmp_path), numbered(numbers), MeanNetwork(FORWARD)
    parts_of = [*decode_slices(records, job.encoder, gray, rows=FORWARD)]
    assert [len(each.row_ids) for each in parts_of] == sizes
    assert [each.slice_number for each in parts_of] == [*range(len(sizes))]
    assert [each.is_last for each in parts_of] == [False] * (len(sizes) - 1) + [True]
    whole = decode_shard(records, job.encoder, gray)
    assert whole.is_whole
    rows = begin_rows(whole, network, job, POOL)()
    made = [
        EmbeddedSlice(each.slice_number, each.is_last, begin_rows(each, network, job, POOL)(), "", "", NOTHING)
        for each in parts_of
    ]
    assert [has_all(dict(enumerate(made[:count]))) for count in range(len(made) + 1)] == [False] * len(made) + [True]
    assert shard_bytes(joined(made), "recipe", "") == shard_bytes(rows, "recipe", "")


def test_another_cut_would_change_the_embeddings(tmp_path: Path) -> None:
    job, records, network = job_in(tmp_path), numbered([*range(10)]), MeanNetwork(FORWARD)
    cut = [
        begin_rows(each, network, job, POOL)() for each in decode_slices(records, job.encoder, gray, rows=FORWARD - 1)
    ]
    whole = begin_rows(decode_shard(records, job.encoder, gray), network, job, POOL)()
    assert (np.concatenate([each.embeddings_BD for each in cut]) != whole.embeddings_BD).any()


def test_a_reader_holds_one_slice_at_a_time() -> None:
    held: list[Any] = []
    for each in decode_slices(numbered([*range(12)]), Sliced(), gray, rows=FORWARD):
        assert [number for number, slice_of in enumerate(held) if slice_of() is not None] == []
        held.append(weakref.ref(each.forms[0]))
        del each
    assert len(held) == 3


def test_a_shard_that_cannot_be_read_or_decoded_to_its_end_ends_the_command(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, seen = Sliced.decode, []

    def broken(self: Sliced, payload: Any) -> Decoded:
        seen.append(payload)
        if len(seen) == 20:
            raise TypeError("the library is broken")
        return decode(self, payload)

    job = job_in(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(Sliced, "decode", broken)
        rows = read_rows(job, source, [POOL], SLICE)
        assert ["broken" in row["error"] for row in rows] == [False, False, True]
        seen.clear()
        with pytest.raises(DataError, match="library is broken"):
            embedded(job, source, [POOL], SLICE)
    next((tmp_path / "images/train/dark").iterdir()).unlink()
    (row,) = read_rows(job, source, [POOL], SLICE)
    assert re.search(r"train/dark/\d+\.png", row["error"])
    assert not [*(job.directory / "shards").iterdir()]


def test_deaths_of_a_slice_are_its_own(source: Source, tmp_path: Path) -> None:
    """An actor that keeps dying of the third slice ends the command, whatever became of the others."""
    job = job_in(tmp_path / "store")
    assert job.marks is not None
    dead = [attempt(job.marks / work_of("embed", POOL, 2)) for _ in range(3)]
    for each in dead:
        each.__enter__()  # and never left, as by a process that died
    rows, actor = read_rows(job, source, [POOL], SLICE), pipeline.EmbedActor(job)
    assert ["ended the worker 3 times" in actor(row)["error"] for row in rows] == [False, False, True, False]


def test_a_shard_whose_readers_died_is_decoded_apart_in_the_same_slices(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path / "store")
    assert job.marks is not None
    here = [*decoded_slices(job, source, POOL, 8)]
    dead = [attempt(job.marks / work_of("decode", POOL)) for _ in range(2)]
    for each in dead:
        each.__enter__()  # and never left, as by a process that died
    with monkeypatch.context() as patch:
        patch.setattr(shard_attempts, "decode_watched", None)
        apart = [*decoded_slices(job, source, POOL, 8)]
    for one, other in zip(here, apart, strict=True):
        assert one.row_ids == other.row_ids
        assert one.rejects == other.rejects
        np.testing.assert_array_equal(one.forms[0], other.forms[0])
    assert not [*job.marks.iterdir()]


def test_rejects_of_all_slices_count_together(tmp_path: Path) -> None:
    job = replace(job_in(tmp_path), most_rejects=3)
    rejecting = within_limit(gray, job, POOL)
    with pytest.raises(DataError, match=r"at least 4 of its rows cannot be decoded"):
        [*decode_slices(numbered([255, 0, 1, 255, 255, 2, 3, 4, 255]), job.encoder, rejecting, rows=2)]


def test_slices_of_several_compute_paths_are_refused_and_of_several_gpus_named(tmp_path: Path) -> None:
    job, network = job_in(tmp_path), MeanNetwork(FORWARD)
    decoded = decode_slices(numbered([*range(8)]), job.encoder, gray, rows=FORWARD)
    first, second = [
        EmbeddedSlice(
            each.slice_number, each.is_last, begin_rows(each, network, job, POOL)(), "a cuda (X)", "X", NOTHING
        )
        for each in decoded
    ]
    made = write_slices([first, replace(second, compute="a cuda (Y)", device="Y")], job, POOL)
    assert (made.compute, made.device, made.entry.rows) == ("a cuda (X, Y)", "X, Y", 8)
    with pytest.raises(StoreError, match=r"different compute paths \(a cuda \(X\), other\)"):
        write_slices([first, replace(second, compute="other")], job, POOL)

"""An embedding actor writes a shard while the next one is in the network; images lie in one array."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labelbench_ray.cluster import pipeline, shard_columns
from labelbench_ray.cluster.device_time import DeviceTime
from labelbench_ray.datasets import Records
from labelbench_ray.embeddings.contents import RowContents
from labelbench_ray.embeddings.decoding import DecodedShard, decode_shard
from labelbench_ray.embeddings.embed import EmbeddingJob, embed_shard
from labelbench_ray.embeddings.isolation import Rejected
from labelbench_ray.embeddings.shards import ShardId, load_shard
from labelbench_ray.encoders import Decoded
from labelbench_ray.encoders._batches import embed_images, image_batches
from labelbench_ray.encoders.pixels import PixelNetwork, Pixels

SECONDS = 20.0
"""A limit for waits that end at once unless the test fails."""


def decoded(number: int) -> DecodedShard:
    images = np.full((3, 8, 8), number, np.uint8)
    contents = RowContents(kept="0" * 96, rejected={})
    return DecodedShard([f"{number}{row}" for row in range(3)], np.arange(3), (images,), {}, contents)


def arrived(number: int) -> dict[str, Any]:
    """A shard as Ray hands it to an actor."""
    columns = shard_columns.columns_of(decoded(number))
    return columns | {"shard": json.dumps(ShardId("pool", number)), "error": "", "cpu": 0.5}


@pytest.fixture
def job(tmp_path: Path) -> EmbeddingJob:
    for name in ("shards", "marks"):
        (tmp_path / name).mkdir()
    return EmbeddingJob(Pixels(), tmp_path, "recipe", "cpu", 3, marks=tmp_path / "marks")


@pytest.fixture
def actor(job: EmbeddingJob, monkeypatch: pytest.MonkeyPatch) -> pipeline.EmbedActor:
    context = SimpleNamespace(get_actor_id=lambda: "actor")
    monkeypatch.setattr(pipeline.ray, "get_runtime_context", lambda: context)
    return pipeline.EmbedActor(job)


def both(actor: pipeline.EmbedActor) -> list[dict[str, Any]]:
    """What two calls at once return, by shard."""
    made: list[dict[str, Any]] = [{}, {}]

    def call(number: int) -> None:
        made[number] = actor(arrived(number))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    return made


def test_the_next_shard_is_in_the_network_while_one_is_written(
    actor: pipeline.EmbedActor, job: EmbeddingJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_once, both_there = threading.Lock(), threading.Event()
    entered: list[int] = []
    real = pipeline.write_shard

    class Network(PixelNetwork):
        def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
            assert at_once.acquire(blocking=False), "two shards are in the network"
            entered.append(1)
            if len(entered) == 2:
                both_there.set()
            embedded = super().embed(decoded)
            at_once.release()
            return embedded

    def slow_write(*arguments: Any) -> Any:
        assert both_there.wait(SECONDS), "the network was idle while a shard was written"
        return real(*arguments)

    actor._network = Network()
    monkeypatch.setattr(pipeline, "write_shard", slow_write)
    made = both(actor)
    assert [each["error"] for each in made] == ["", ""]
    alone = tmp_path / "alone"
    (alone / "shards").mkdir(parents=True)
    for number in range(2):
        shard = ShardId("pool", number)
        path = job.directory / shard.file
        other = EmbeddingJob(Pixels(), alone, "recipe", "cpu", 3)
        embed_shard(decoded(number), PixelNetwork(), other, shard)
        assert path.read_bytes() == (alone / shard.file).read_bytes()
    assert sum(each["cpu"] for each in made) >= 1.0, "what the readers spent"


def test_a_shard_that_is_written_is_marked_no_more(
    actor: pipeline.EmbedActor, job: EmbeddingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.write_shard
    while_written: list[Path] = []

    def write(*arguments: Any) -> Any:
        while_written.extend((job.directory / "marks").glob("embed-*"))
        return real(*arguments)

    monkeypatch.setattr(pipeline, "write_shard", write)
    assert actor(arrived(0))["error"] == ""
    assert not while_written, "a death of another shard counts as one of this shard"


class Ahead:
    """Begins a shard at once; the first one is done only after the second has begun."""

    compute = "numpy float32 cpu"

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.threads: set[int] = set()
        self.second = threading.Event()

    def embed_ahead(self, decoded: Sequence[Decoded]) -> Callable[[], NDArray[np.float32]]:
        number = len(self.begun)
        self.begun.append(number)
        self.threads.add(threading.get_ident())
        if number == 1:
            self.second.set()

        def wait() -> NDArray[np.float32]:
            assert self.second.wait(SECONDS), "the second shard waited for the first one"
            return PixelNetwork().embed(decoded)

        return wait

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return self.embed_ahead(decoded)()


def test_the_next_shard_begins_while_one_is_on_the_device(actor: pipeline.EmbedActor, job: EmbeddingJob) -> None:
    network = actor._network = Ahead()
    assert [each["error"] for each in both(actor)] == ["", ""]
    assert network.begun == [0, 1]
    assert len(network.threads) == 1, "several threads begin work on the device"
    assert not [*(job.directory / "marks").iterdir()], "marks of finished work are left"
    for number in range(2):
        rows = load_shard(job.directory / ShardId("pool", number).file).rows
        np.testing.assert_array_equal(rows.embeddings_BD, np.full((3, 64), np.float32(number) / 255, np.float16))


def test_time_that_threads_spend_on_the_device_at_once_counts_once() -> None:
    spent, start = DeviceTime(gpu=True), time.perf_counter()
    with spent.on_device():
        time.sleep(0.02)
        with spent.on_device():
            first = spent.lap()
            time.sleep(0.02)
    time.sleep(0.02)
    second = spent.lap()
    assert first.gpu >= 0.02
    assert second.gpu >= 0.02
    assert first.gpu + second.gpu <= time.perf_counter() - start - 0.02


def test_an_error_of_writing_is_that_of_its_own_shard(
    actor: pipeline.EmbedActor, job: EmbeddingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.write_shard

    def full_disk(rows: Any, compute: str, job: EmbeddingJob, shard: ShardId) -> Any:
        if shard.number == 0:
            raise OSError("no space left")
        return real(rows, compute, job, shard)

    monkeypatch.setattr(pipeline, "write_shard", full_disk)
    assert "no space left" in actor(arrived(0))["error"]
    assert actor(arrived(1))["error"] == ""
    assert [path.name for path in (job.directory / "shards").iterdir()] == ["pool-00001.parquet"]


def test_images_lie_in_one_array_and_batches_are_slices_of_it() -> None:
    payloads = [bytes([number]) for number in range(5)]
    records = Records([f"r{number}" for number in range(5)], payloads, np.arange(5))

    def decode(rows: Sequence[Any]) -> Any:
        return (Rejected("bad") if row == b"\x02" else np.full((4, 4, 3), row[0], np.uint8) for row in rows)

    (form,) = decode_shard(records, Pixels(), decode).forms
    assert isinstance(form, np.ndarray)
    assert form[:, 0, 0, 0].tolist() == [0, 1, 3, 4]
    assert all(np.shares_memory(part, form) for part in image_batches(form, 3))
    seen: list[int] = []

    def forward(images_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(len(images_BHWC))
        return images_BHWC[:, 0, 0, :1].astype(np.float32)

    listed = embed_images([*form], 3, forward)
    np.testing.assert_array_equal(embed_images(form, 3, forward), listed)
    assert seen == [3, 1, 3, 1]


def test_images_of_several_shapes_stay_apart() -> None:
    records = Records(["a", "b", "c"], [b"1", b"2", b"3"], np.arange(3))

    def decode(rows: Sequence[Any]) -> Any:
        return (np.zeros((2, width, 3), np.uint8) for width in (2, 5, 2))

    (form,) = decode_shard(records, Pixels(), decode).forms
    assert [each.shape for each in form if isinstance(each, np.ndarray)] == [(2, 2, 3), (2, 5, 3), (2, 2, 3)]


def test_the_pool_of_actors_may_grow() -> None:
    from ray.data import DataContext

    threshold = DataContext.get_current().autoscaling_config.actor_pool_util_upscaling_threshold
    assert threshold <= pipeline.IN_FLIGHT / pipeline.CALLS_AT_ONCE, "Ray Data would never add an actor"

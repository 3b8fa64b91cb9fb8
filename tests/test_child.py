"""Few rows are embedded in a child process: the same shards as here, and deaths of the child harm no other row."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.attempts import FOLDER
from labelbench_ray.embeddings.child import embed_in_child
from labelbench_ray.embeddings.complete import Embedder, complete_store
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Device
from labelbench_ray.environment import Environment
from labelbench_ray.errors import DataError, PluginError
from labelbench_ray.trial import parts
from tests.samples import write_images


@dataclass(frozen=True)
class ChildEmbedder:
    """Embeds in a child process (an `Embedder`)."""

    device: Device = "cpu"

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        return embed_in_child(job, source, pending)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """70 images of the pool and 40 of the test, in shards of 32 rows."""
    monkeypatch.setattr(complete, "SHARD_ROWS", 32)
    write_images(tmp_path / "data/images", {"train": 70, "test": 40})
    return Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", max_reject_fraction=0.2)


def embed(
    environment: Environment,
    encoder: str = "pixels",
    embedder: Embedder = ChildEmbedder(),
    **settings: object,
) -> EmbeddingStore:
    built = parts.build(
        Trial(
            dataset=Part.of("image_folder", path="images"),
            encoder=Part.of(encoder, **settings),
            strategy=Part(name="random"),
            seed=0,
            rounds=1,
            budget=5,
        )
    )
    return complete_store(built.store_recipe, built.wanted_views, environment, embedder, lambda done, total: None)


def append(environment: Environment, words: bytes) -> None:
    with (environment.data_root / "images/train/dark/000.png").open("ab") as image:
        image.write(words)


def shards(store: EmbeddingStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.directory.glob("shards/*.parquet")}


def test_the_child_writes_the_shards_that_this_process_would_write(environment: Environment) -> None:
    store = embed(environment)
    here = embed(replace(environment, store=environment.store / "here"), embedder=LocalEmbedder())
    assert shards(store) == shards(here)
    assert store.manifest.content == here.manifest.content
    assert store.manifest.spent.cpu > 0
    assert not (store.directory / FOLDER).exists()


@pytest.mark.parametrize(("words", "reason"), [(b"crash", "SIGSEGV"), (b"exit", "exit status 3")])
def test_a_row_that_ends_the_child_is_rejected(environment: Environment, words: bytes, reason: str) -> None:
    append(environment, words)
    store = embed(environment, "tests.deadly")
    assert store.manifest.rejects == 1
    (reject,) = pq.read_table(store.directory / "rejects.parquet").to_pylist()
    assert reject["reason"] == f"decoding this row ended the process with {reason}"


def test_an_error_of_the_decoder_arrives_with_its_place(environment: Environment) -> None:
    append(environment, b"broken")
    with pytest.raises(PluginError, match=r"(?s)decoding it by Deadly.*not what it takes.*deadly\.py"):
        embed(environment, "tests.deadly")


def test_a_network_that_ends_the_child_ends_the_command_and_is_named(environment: Environment) -> None:
    with pytest.raises(DataError, match=r"loading DeadlyNetwork.* ended the worker 3 times"):
        embed(environment, "tests.ray.deadly_network", loads=False)


def test_an_encoder_that_cannot_be_imported_there_is_named(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARED", str(os.getpid()))
    with pytest.raises(DataError, match=r"DeadOnImport.*status 7 before it embeds a row; fix what its module"):
        embed(environment, "tests.dead_on_import")


def test_finished_shards_are_not_embedded_again(environment: Environment) -> None:
    store = embed(environment)
    before = {path: path.stat().st_mtime_ns for path in store.directory.glob("shards/*.parquet")}
    (store.directory / "manifest.json").unlink()
    missing = store.directory / "shards/pool-00001.parquet"
    missing.unlink()
    embed(environment)
    assert {path: path.stat().st_mtime_ns for path in before if path != missing} == {
        path: changed for path, changed in before.items() if path != missing
    }
    assert missing.is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_child_that_hangs_ends_with_its_command(environment: Environment, tmp_path: Path, number: int) -> None:
    environment = replace(environment, row_seconds=300.0)  # longer than this test waits
    append(environment, b"sleep")
    processes = tmp_path / "processes"
    processes.mkdir()
    command = multiprocessing.get_context("spawn").Process(
        target=embed, args=(environment, "tests.deadly"), kwargs={"folder": str(processes)}
    )
    command.start()
    assert holds(lambda: any(processes.iterdir())), "no child decodes"
    (child,) = processes.iterdir()
    assert int(child.name) != command.pid
    assert command.pid is not None
    os.kill(command.pid, number)
    assert holds(lambda: not psutil.pid_exists(int(child.name)))
    command.join(60)
    assert command.exitcode is not None


def holds(condition: Callable[[], bool], seconds: float = 180.0) -> bool:
    """Whether it holds before the time is over."""
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.05)
    return condition()

"""A lost shard that comes out with other bits is stated, not refused: reading works, and the store keeps its name."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labelbench_ray import report
from labelbench_ray.api.run_plan import note_grid
from labelbench_ray.commands import status
from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import Source
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders.networks.device_models import device_model, one_path, without_models
from labelbench_ray.encoders.pixels import PixelNetwork
from labelbench_ray.errors import LedgerError, StoreError
from labelbench_ray.ledger.data_notes import note_rows
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.storage.remote import on_this_machine
from labelbench_ray.trial import parts
from tests.full_trials import Home, make_home
from tests.test_origin import flip, write_folder

SHARD_ROWS = 8
LOST = ShardId("pool", 1)
TRIAL = Trial(
    dataset=Part.of("image_folder", path="shots"),
    encoder="pixels",
    strategy="random",
    trainer="logistic",
    seed=0,
    rounds=2,
    budget=5,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(complete, "SHARD_ROWS", SHARD_ROWS)
    write_folder(tmp_path)
    made = make_home(tmp_path, tmp_path / "store")
    store(made)
    return made


def store(home: Home, embedder: LocalEmbedder | None = None) -> EmbeddingStore:
    """The store, completed as a command does."""
    recipe = parts.build(TRIAL).store_recipe
    return complete.complete_store(
        recipe, None, home.environment, embedder or LocalEmbedder(), lambda done, total: None
    )


def path_of(home: Home, shard: ShardId = LOST) -> Path:
    return home.environment.store / parts.build(TRIAL).embedding / shard.file


def other_device(monkeypatch: pytest.MonkeyPatch, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
    """From now on the network's embeddings differ."""
    real = PixelNetwork.embed

    def embed(network: PixelNetwork, decoded: Any) -> NDArray[np.float32]:
        return change(real(network, decoded)).astype(np.float32)

    monkeypatch.setattr(PixelNetwork, "embed", embed)


def last_bits(embeddings_BD: NDArray[np.float32]) -> NDArray[np.float32]:
    return embeddings_BD * np.float32(1.001)


def test_the_same_device_restores_the_same_bytes(home: Home) -> None:
    path = path_of(home)
    bytes_before, manifest = path.read_bytes(), (path.parent.parent / "manifest.json").read_bytes()
    path.unlink()
    assert store(home).manifest.rebuilt == ()
    assert path.read_bytes() == bytes_before
    assert (path.parent.parent / "manifest.json").read_bytes() == manifest
    assert b"rebuilt" not in manifest


def test_another_device_is_stated_and_reading_works(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = path_of(home), store(home)
    kept = {each: path_of(home, each).read_bytes() for each in (ShardId("pool", 0), ShardId("pool", 2))}
    path.unlink()
    other_device(monkeypatch, last_bits)
    after = store(home)
    (rebuilt,) = after.manifest.rebuilt
    assert (rebuilt.file, rebuilt.compute, rebuilt.device) == (LOST.file, "numpy float32 cpu", device_model("cpu"))
    assert rebuilt.compared in {each.file for each in kept}
    assert 0 < rebuilt.largest_difference <= 0.003
    assert after.manifest.content == before.manifest.content
    assert {each: path_of(home, each).read_bytes() for each in kept} == kept, "intact shards stay"
    assert not (path.parent.parent / "compared").exists()
    again = EmbeddingStore.open(after.directory)
    assert again.manifest == after.manifest
    pool = again.arrays().pool
    assert len(again.row_ids()) == len(pool.embeddings_ND) == again.manifest.count("pool")
    assert store(home).manifest.rebuilt == (rebuilt,), "a command that finds it leaves it"


def test_content_that_is_neither_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(home)
    original = path.read_bytes()
    path.unlink()
    with monkeypatch.context() as other:
        other_device(other, last_bits)
        found = store(home)
    entry = next(each for each in found.manifest.shards if each.file == LOST.file)
    assert found.read(entry).row_ids
    path.write_bytes(path_of(home, ShardId("pool", 0)).read_bytes())
    with pytest.raises(StoreError, match="its content is not what the manifest states"):
        found.read(entry)
    path.write_bytes(original)
    assert found.read(entry).row_ids, "a copy of the original may be put back"


def test_the_original_device_takes_the_statement_back(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(home)
    original = path.read_bytes()
    path.unlink()
    with monkeypatch.context() as other:
        other_device(other, last_bits)
        assert store(home).manifest.rebuilt
    path.unlink()
    assert store(home).manifest.rebuilt == ()
    assert path.read_bytes() == original


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda embeddings_BD: embeddings_BD + 0.2,
            r"embedded again, differs by up to 0\.20?1?, where its largest value",
        ),
        (lambda embeddings_BD: embeddings_BD[:, :7], "embedded again, differs by up to inf"),
    ],
)
def test_other_embeddings_are_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch, change: Callable[..., Any], why: str
) -> None:
    path_of(home).unlink()
    other_device(monkeypatch, change)
    with pytest.raises(StoreError, match=why):
        store(home)
    assert EmbeddingStore.open(path_of(home).parent.parent).manifest.rebuilt == ()


def test_a_shard_that_differs_where_the_device_does_not_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path_of(home).unlink()
    once = iter([last_bits])
    other_device(monkeypatch, lambda embeddings_BD: next(once, lambda same: same)(embeddings_BD))
    with pytest.raises(StoreError, match="exactly, so a different device does not explain the change"):
        store(home)


class TwoKinds(LocalEmbedder):
    """A cluster in which every call runs on another kind of device."""

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        device = f"GPU {'B' if job.directory.name == 'compared' else 'A'}"
        for made in super().shards(job, source, pending):
            yield replace(made, device=device)


def test_a_comparison_on_another_device_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path_of(home).unlink()
    other_device(monkeypatch, last_bits)
    message = r"the comparison ran on GPU B instead of GPU A; run the command again, put the file back from a copy"
    with pytest.raises(StoreError, match=message):
        store(home, TwoKinds())
    assert EmbeddingStore.open(path_of(home).parent.parent).manifest.rebuilt == ()


def test_other_rows_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path_of(home).unlink()
    flip(sorted((home.environment.data_root / "shots/train").rglob("*.png"))[0])
    other_device(monkeypatch, last_bits)
    with pytest.raises(StoreError):
        store(home)


def test_without_an_intact_shard_nothing_is_accepted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in path_of(home).parent.glob("*.parquet"):
        path.unlink()
    other_device(monkeypatch, last_bits)
    with pytest.raises(StoreError, match="no other shard is intact"):
        store(home)


def test_report_status_and_plan_state_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment("tests.grid", (TRIAL,))
    note_grid(plan(experiment, home.environment))
    home.run(TRIAL)
    folder = store(home).arrays_folder
    note_rows(home.folder, store(home).manifest)
    assert status.cautions(status.read(home.folder)) == []
    path_of(home).unlink()
    for file in folder.iterdir():  # of another machine: there are no arrays here, and shards are read
        file.unlink()
    folder.rmdir()
    assert on_this_machine(folder) == folder
    other_device(monkeypatch, last_bits)
    manifest = store(home).manifest
    note_rows(home.folder, manifest)
    (mark,) = status.cautions(status.read(home.folder))
    assert mark.startswith(f"embeddings: {LOST.file} was lost and embedded again on {device_model('cpu')} (numpy float")
    assert "embeddings differ by up to 0.00" in mark
    (section,) = report.build(home.folder).sections
    (caution,) = [each for each in section.cautions if each.title == "Shards were rebuilt"]
    assert LOST.file in caution.text
    (planned,) = plan(experiment, home.environment).stores
    assert any("was lost and embedded again" in line for line in planned.found)
    assert "was lost and embedded again" in manifest.warnings[0]


def test_gpus_of_several_models_make_one_store() -> None:
    assert one_path(["torch float32 cpu"]) == "torch float32 cpu"
    assert one_path(["torch float32 cpu", "numpy float32 cpu"]) is None
    assert one_path(["torch float16 cuda (B)", "torch float16 cuda (A, C)", "torch float16 cuda"]) == (
        "torch float16 cuda (A, B, C)"
    )
    assert one_path(["torch float16 cuda (A)", "torch float32 cuda (A)"]) is None
    assert one_path(["torch float16 cuda (A)", "torch float16 cpu"]) is None


def test_equal_bits_of_several_gpus_have_one_content_hash(home: Home) -> None:
    made = store(home).manifest
    cpu, path, *models = [
        made.model_copy(update={"compute": f"torch float16 {device}"}).content
        for device in ("cpu", "cuda", "cuda (A)", "cuda (A, B)")
    ]
    assert {*models} == {path}
    assert len({made.content, cpu, path}) == 3
    assert [without_models(each) for each in ("torch float32 cpu", "numpy (A)")] == ["torch float32 cpu", "numpy (A)"]


@pytest.mark.parametrize(("compute", "same"), [("torch float16 cuda (B)", True), ("torch float32 cuda (A)", False)])
def test_a_trial_continues_on_equal_bits_of_another_gpu(tmp_path: Path, compute: str, same: bool) -> None:
    header = Header(fingerprint="f", trial=TRIAL, store="s", compute="torch float16 cuda (A)", versions={})
    with Ledger.open(tmp_path, header):
        pass
    refused = nullcontext() if same else pytest.raises(LedgerError, match="compute is ")
    with refused, Ledger.open(tmp_path, header.model_copy(update={"compute": compute})):
        pass

"""The benchmarks of whole commands run at a tiny size, without Ray, and state one figure for each of their targets."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_ray.embeddings.store import EmbeddingStore, SplitArrays

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("LABELBENCH_DATA_ROOT", str(tmp_path))


def said(benchmark: str, words: list[str], captured: Said) -> dict[str, Any]:
    importlib.import_module(benchmark).main(["--tiny", *words])
    answer: dict[str, Any] = json.loads(captured.readouterr().out)
    return answer


def test_overhead_states_the_busy_share_and_the_wall_time_over_the_trials(capfd: Said) -> None:
    found = said("overhead", ["--only", "tiny"], capfd)["measured"]["tiny"]
    assert found["trials"] == 4
    assert 0 < found["cpu_seconds_of_rounds"] < found["cpu_seconds"]["driver"]
    assert 0 < found["busy_share_of_the_cores"] <= 1.1
    assert 0 < found["occupied_share_of_the_slots"] <= 0.51, "one trial after the other, on two cores or more"
    assert found["wall_over_plain_cpu"] > 0
    assert found["driver_peak_mib"] > 50


def test_quickstart_states_the_wall_and_cpu_seconds_of_all_processes(capfd: Said) -> None:
    found = said("quickstart", [], capfd)["measured"]
    assert found["trials"] == 40
    assert found["cpu_seconds"] == pytest.approx(sum(found["cpu_seconds_by_role"].values()), rel=0.01)
    assert found["trials_cpu_seconds"] < found["cpu_seconds"]
    walls = {name: each["wall"] for name, each in found["timeline"].items()}
    assert 0 < walls["embedding_started"] <= walls["embedding_done"] <= walls["trial_done"] <= walls["last_event"]
    assert walls["last_event"] < found["wall_seconds"]


def test_no_file_states_the_wall_and_cpu_seconds_and_the_answer(capfd: Said) -> None:
    found = said("no_file", [], capfd)["measured"]
    assert found["trials"] == 4
    assert found["cpu_seconds"] == pytest.approx(sum(found["cpu_seconds_by_role"].values()), rel=0.01)
    assert 0 < found["timeline"]["embedding_done"]["wall"] <= found["timeline"]["trial_done"]["wall"]
    assert found["timeline"]["last_event"]["wall"] < found["wall_seconds"]
    assert "random" in found["answer"]


def test_mirror_states_what_a_trial_takes_both_ways(capfd: Said) -> None:
    for found in said("mirror", [], capfd)["measured"].values():
        assert 0 < found["cpu_milliseconds_a_trial"] < found["by_mlflows_client"]


def test_throughput_states_the_rounds_share_of_the_wall_time(capfd: Said) -> None:
    found = said("throughput", [], capfd)
    assert found["target"]["fraction_of_limit_at_least"] == 0.92
    here = found["measured"]["here"]
    assert here["rounds"] == 4
    assert 0 < here["fraction_of_limit"] < 1
    assert set(here["cpu_seconds_by_strategy"]) == {"random", "margin"}


def test_the_store_of_the_throughput_benchmark_has_the_rows_of_each_split(tmp_path: Path) -> None:
    throughput = importlib.import_module("throughput")
    sizes = {"pool": 9, "validation": 4, "test": 5}
    rows = {
        split: SplitArrays(np.full((size, throughput.DIMENSIONS), size, np.float16), np.arange(size) % 10)
        for split, size in sizes.items()
    }
    throughput.make_store(tmp_path, rows)
    (folder,) = tmp_path.iterdir()
    manifest = EmbeddingStore.open(folder).manifest
    assert {split: manifest.count(split) for split in sizes} == sizes

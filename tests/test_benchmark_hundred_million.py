"""The parts of the benchmark of 100 million rows run, at a tiny size."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("hundred_million")


def test_random(benchmark: ModuleType, capsys: pytest.CaptureFixture) -> None:
    benchmark.main(["random", "--rows", "200000"])
    found = json.loads(capsys.readouterr().out)["measured"]["random"]
    assert list(found["by_rows"]) == ["12500", "50000", "200000"]
    assert all(each["cpu_seconds"] > 0 for each in found["by_rows"].values())
    assert found["by_rows"]["200000"]["extra_mib"] <= 32


def test_keys(benchmark: ModuleType) -> None:
    found = benchmark.keys(5000)
    assert found.met
    assert found.measured["rows"] == 5000


def test_what_scorers_are_sent_does_not_grow_with_the_pool(benchmark: ModuleType, tmp_path: Path) -> None:
    wired = importlib.import_module("wired")
    small, large = (wired.one_round(tmp_path / str(rows), rows, 50) for rows in (10_000, 40_000))
    assert small["same_as_in_process"]
    assert large["same_as_in_process"]
    assert large["sent_mb"] < small["sent_mb"] + 1e-4 < 0.1
    assert benchmark.scorers(9000).met


def test_resume(benchmark: ModuleType) -> None:
    measured = benchmark.resume(30).measured
    assert 0 < measured["ms_a_shard"] < measured["ms_a_shard_when_read"]


def test_manifest(benchmark: ModuleType) -> None:
    measured = benchmark.manifest(3000).measured
    assert measured["first_cpu_seconds"] < measured["without_side_file_cpu_seconds"]


def test_the_simulation_projects_what_it_measured(benchmark: ModuleType, capsys: pytest.CaptureFixture) -> None:
    benchmark.main(["simulation", "--tiny"])
    printed = capsys.readouterr()
    found = json.loads(printed.out)["measured"]["simulation"]
    driver, scorers = ["keys", "resume", "overlaps", "manifest"], ["first scorer", "next scorer"]
    parts = [*driver, *scorers, "random", "margin", "badge", "coreset"]
    assert list(found["table"]) == parts
    sizes = {name: list(part["by_rows"]) for name, part in found["table"].items()}
    many = [str(500 * rows) for rows in (4096, 8192, 16_384)]  # manifests with a side file
    assert sizes == {name: many if name == "manifest" else ["4096", "8192", "16384"] for name in parts}
    assert found["breaks_first"]["what"].split(":")[0] in found["table"]
    assert "at 100,000,000 rows" in printed.err


def test_pages_of_mapped_files_are_no_private_memory(benchmark: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "mapped.npy"
    np.save(path, np.ones(1 << 22))
    mapped, held = (
        benchmark.used(call)["extra_mib"]
        for call in (
            lambda: np.load(path, mmap_mode="r").sum(),
            lambda: np.load(path).sum(),
        )
    )
    assert mapped < 8
    assert held > 24


def test_a_stretch_that_outgrows_the_machine_is_left_out_by_name(benchmark: ModuleType) -> None:
    projection = importlib.import_module("projection")
    by_rows = {1000: {"cpu_seconds": 1.0, "extra_mib": 1e6}}
    assert projection.no_room(by_rows, 100_000_000).startswith("needs about 100,000,000,000 MiB")
    assert projection.no_room({}, 100_000_000) == ""


def test_projections_continue_the_last_exponent_from_the_largest_stretch(benchmark: ModuleType) -> None:
    projection = importlib.import_module("projection")
    by_rows = {
        rows: {"cpu_seconds": rows / 1e5, "extra_mib": max(3.0, (rows / 1e5) ** 0.5)} for rows in (10**5, 10**6, 10**7)
    }
    found = projection.projected(by_rows, 10**8)
    assert found["cpu_seconds_exponent"] == pytest.approx(1.0)
    assert found["cpu_seconds_projected"] == pytest.approx(1000.0)
    assert found["extra_mib_exponent"] < 0.5  # what does not grow hides the slope at first
    assert found["extra_mib_projected"] == pytest.approx(1000**0.5, rel=0.05)
    worst = projection.breaks_first({"part": found})
    assert worst == {"what": "part: CPU time", "share_of_limit": pytest.approx(1000 / projection.DAY), "breaks": False}
    found["extra_mib_projected"] = 2.0 * projection.MACHINE_MIB
    assert projection.breaks_first({"part": found}) == {"what": "part: memory", "share_of_limit": 2.0, "breaks": True}

"""The parts of the benchmark of 100 million rows run, at a tiny size."""

import importlib
import json
from pathlib import Path
from types import ModuleType

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
    found = json.loads(capsys.readouterr().out)["measured"]["simulation"]
    assert list(found["table"]) == ["keys", "resume", "manifest", "one_scorer", "random", "margin", "badge", "coreset"]
    assert all(list(part["by_rows"]) == ["4096", "8192", "16384"] for part in found["table"].values())
    assert found["breaks_first"]["what"].split(":")[0] in found["table"]


def test_projections_continue_the_fit_from_the_largest_stretch(benchmark: ModuleType) -> None:
    projection = importlib.import_module("projection")
    by_rows = {rows: {"cpu_seconds": rows / 1e5, "extra_mib": (rows / 1e5) ** 0.5} for rows in (10**5, 10**6, 10**7)}
    found = projection.projected(by_rows, 10**8)
    assert found["cpu_seconds_exponent"] == pytest.approx(1.0)
    assert found["cpu_seconds_projected"] == pytest.approx(1000.0)
    assert found["extra_mib_projected"] == pytest.approx(1000**0.5)
    worst = projection.breaks_first({"part": found})
    assert worst == {"what": "part: CPU time", "share_of_limit": pytest.approx(1000 / projection.DAY), "breaks": False}
    found["extra_mib_projected"] = 2.0 * projection.MACHINE_MIB
    assert projection.breaks_first({"part": found}) == {"what": "part: memory", "share_of_limit": 2.0, "breaks": True}

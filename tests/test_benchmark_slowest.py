"""The benchmark of the slowest selections runs at a tiny size, and compares two checkouts in turn."""

import importlib
import json
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("slowest")


def test_tiny_selections(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    measure = importlib.import_module("case").measure
    monkeypatch.setattr(benchmark, "cpu_seconds", lambda case, _: measure(case)["cpu_seconds"])
    for rate in ("product_rate", "bandwidth"):  # of this machine: once for all four is enough here
        monkeypatch.setattr(benchmark, rate, cache(getattr(benchmark, rate)))
    benchmark.main(["--tiny", *benchmark.CASES])
    found = json.loads(capsys.readouterr().out)
    assert list(found["measured"]) == ["coreset", "kmeans", "probcover", "bait"]
    for each in found["measured"].values():
        assert each["after_cpu_seconds"] > 0
        assert each["limit_cpu_seconds"] > 0
        assert "before_cpu_seconds" not in each
    assert found["met"] == all(each["times_limit"] <= 2 for each in found["measured"].values())


def test_checkouts_are_measured_in_turn(benchmark: ModuleType) -> None:
    asked: list[Path] = []

    def once(checkout: Path) -> object:
        asked.append(checkout)
        return benchmark.Once(6.0 if checkout == Path("old") else 3.0, 2.0)

    found = benchmark.compared(once, {"before": Path("old"), "after": Path("new")}, 2)
    assert [each.name for each in asked] == ["old", "new", "old", "new"]
    assert found == {
        "limit_cpu_seconds": 2.0,
        "before_cpu_seconds": 6.0,
        "after_cpu_seconds": 3.0,
        "after_to_before": 0.5,
        "times_limit": 1.5,
    }


def test_a_wrong_name_is_refused(benchmark: ModuleType, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(["badge"])
    assert "no case called badge; there are: coreset, kmeans" in capsys.readouterr().err

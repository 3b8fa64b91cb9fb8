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

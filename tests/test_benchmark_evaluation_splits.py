"""The benchmark of evaluation splits runs at a tiny size, and measures as many pool rows as rows of further splits."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("evaluation_splits")


def test_a_tiny_run(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    found = answer["measured"]
    assert (found["splits"], found["rows_a_split"]) == (18, benchmark.TINY_ROWS)
    assert min(found["cpu_seconds_splits"], found["cpu_seconds_pool"]) > 0
    assert answer["met"] == (found["ratio"] <= benchmark.MOST_RATIO)


def test_both_sides_score_the_same_number_of_rows(benchmark: ModuleType) -> None:
    embedded = benchmark.synthetic(30)
    further = {name: split for name, split in embedded.splits.items() if name.startswith("test_")}
    assert sum(len(split.labels_N) for split in further.values()) == len(embedded.pool.labels_N) == 540
    found = benchmark.measured(benchmark.classifier(embedded), embedded, further)
    assert {f"Test Shift {number} Worst Group Accuracy" for number in range(18)} < set(found.metrics)
    assert "Test Prior 0.1 Accuracy" in found.metrics

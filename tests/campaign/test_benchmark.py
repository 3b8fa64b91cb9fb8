"""The benchmark of campaigns runs at a tiny size, and answers in the form of all benchmarks."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


def test_the_benchmark_at_a_tiny_size(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("annotate").main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"benchmark", "measured", "target", "met", "machine"}
    assert {*answer["target"]} == {"propose_wall_seconds", "ingest_wall_seconds"}
    assert answer["measured"]["answers"] == 120

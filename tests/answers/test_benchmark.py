"""The benchmark of answers runs at a tiny size, and answers in the form of all benchmarks."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


def test_the_benchmark_at_a_tiny_size(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("answers").main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"benchmark", "measured", "target", "met", "machine"}
    assert answer["measured"]["fold"]["events"] == 5_000

"""The benchmark of precomputed embeddings runs at a tiny size, and answers in the form of all benchmarks."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_both_formats_at_a_tiny_size(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("precomputed").main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"benchmark", "measured", "target", "met", "machine"}
    for form in ("npy", "parquet"):
        measured = answer["measured"][form]
        assert measured["ratio"] > 0
        assert measured["extra_mib"] < 1024
    mapped, converted = (answer["measured"][form]["disk_mib"] for form in ("npy", "parquet"))
    assert converted - mapped == pytest.approx(6_000 * 16 * 2 / 2**20, abs=0.1)  # the rows, once

"""The benchmark of the report runs, at a small size, and the page of many strategies stays small and quick."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_page_of_thirty_strategies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("report")
    benchmark.main(["--strategies", "30", "--seeds", "1", "--rounds", "2", "--keep", str(tmp_path / "kept.html")])
    answer = json.loads(capsys.readouterr().out)
    assert answer["met"]
    assert 0.1 < answer["measured"]["megabytes"] < 0.6
    assert answer["target"] == {"megabytes": 1.0, "cpu_seconds": 5.0}
    assert (tmp_path / "kept.html").read_text().count('<circle cx="') >= 30

"""The benchmark of consensus runs, at a tiny size."""

import importlib
import json
from pathlib import Path

import pytest


def test_the_table_of_a_tiny_crowd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("crowdkit.aggregation")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.setattr("sys.argv", ["consensus.py", "--tiny"])
    assert importlib.import_module("consensus").main() == 0
    answer = json.loads(capsys.readouterr().out)
    (row,) = answer["measured"]["crowds"].values()
    assert row["gain"] == pytest.approx(row["right: one_coin"] - row["right: majority"], abs=0.1)
    assert 80 < row["right: one_coin"] < 100
    assert row["agreement"] > 95
    assert abs(row["calibration"]) < 5
    again = answer["measured"]["again"]
    assert again["2 answers"] < again["third for rows in doubt"] > again["third for random rows"]
    assert answer["measured"]["scale"]["votes"] == 60_000

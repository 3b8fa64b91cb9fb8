"""The benchmark of many trials runs, at a tiny size."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_every_part_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("many_trials").main(["--trials", "4", "8"])
    measured = json.loads(capsys.readouterr().out)["measured"]
    assert list(measured) == ["identity", "plan", "grid", "status", "read", "compose", "page", "tables"]
    assert all(part["ms_a_trial"] > 0 and list(part["by_trials"]) == ["4", "8"] for part in measured.values())

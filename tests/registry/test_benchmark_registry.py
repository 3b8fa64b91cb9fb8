"""`benchmarks/registry.py` at a tiny size states a figure for each of its targets."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


def test_the_benchmark_states_time_and_size(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("registry").main(["--tiny"])
    answer = json.loads(capfd.readouterr().out)
    measured, target = answer["measured"], answer["target"]
    assert measured["trials"] == 12
    assert measured["trials_on_page"] == 12 + 624
    assert 0 < measured["pack_and_check_cpu_seconds"] < target["pack_and_check_cpu_seconds_at_most"]
    assert 100_000 < measured["page_bytes"] < target["page_bytes_at_most"]
    assert answer["met"]

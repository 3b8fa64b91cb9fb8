"""kill -9 in the middle of a sweep; the same command again gives what it would have given. The fault suite has more."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.ray
def test_killed_and_started_again_gives_the_same_and_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    kill = importlib.import_module("kill")
    kill.make(tmp_path, pool_rows=1200)
    outcome = kill.kill_and_continue(tmp_path, embed_kills=0, sweep_kills=1, seed=0)
    assert len(outcome.kills) == 1
    assert outcome.met, outcome

"""The benchmark of readers and the actor runs at a tiny size; its stand-in for a GPU waits as a GPU does."""

import importlib
import json
import time
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_a_tiny_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS))
    importlib.import_module("embed_memory").main(["--tiny"])
    found = json.loads(capsys.readouterr().out)["measured"]
    assert not found["torch"], "a reader imports torch"
    assert 0 < found["share_in_network"] <= 1
    assert 0 < found["share_on_late_device"] <= 1
    assert found["readers_on_16_cpus"] == 16


def test_the_late_device_is_busy_as_long_as_its_rows_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("late_device")
    network = module.OnLateDevice(row_seconds=0.02, dimensions=3)
    start = time.perf_counter()
    waits = [network.embed_ahead(np.zeros((20, 2, 2, 3), np.uint8)) for _ in range(2)]
    assert time.perf_counter() - start < 0.4, "it does not wait for the device"
    assert [wait().shape for wait in waits] == [(20, 3)] * 2
    assert time.perf_counter() - start >= 0.8
    assert network.seconds == pytest.approx(0.8)

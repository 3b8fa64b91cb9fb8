"""The benchmark of tiny rows counts what it states; its tiny run embeds in this process instead of on Ray."""

import importlib
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from labelbench_ray.embeddings.local import LocalEmbedder

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
BUSY = """
import time
while time.process_time() < 0.3:
    pass
print(flush=True)
input()
"""


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("embed_tiny")


def test_a_tiny_run(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(benchmark, "connected", nullcontext)
    monkeypatch.setattr(benchmark, "RayEmbedder", LocalEmbedder)
    benchmark.main(["--tiny"])
    answer = json.loads(capsys.readouterr().out)
    found = answer["measured"]
    assert found["rows"] == 3 * benchmark.SHARD_ROWS
    assert min(found["cpu_microseconds_a_row_ray"] + found["cpu_microseconds_a_row_bare"]) > 0
    assert answer["met"] == (found["ratio"] <= benchmark.MOST_RATIO)


def test_rows_are_those_that_a_shard_asks_for(benchmark: ModuleType) -> None:
    source = benchmark.made_up(1100)
    records = source.splits["pool"].read(500, 502)
    assert records.row_ids == ["00000500", "00000501"]
    assert records.payloads == [benchmark.made_up(1).splits["pool"].table.pictures[row] for row in (0, 1)]
    np.testing.assert_array_equal(records.labels_B, [0, 1])


def test_seconds_of_the_family_have_those_of_a_child(benchmark: ModuleType) -> None:
    before = benchmark.family_seconds()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        assert benchmark.family_seconds() - before >= 0.25
        child.communicate(b"\n")
    assert benchmark.family_seconds() - before >= 0.25, "of a child that ended"

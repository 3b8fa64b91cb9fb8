"""A watch ends its process, with the record first, and leaves one alone that keeps to the limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labelbench_ray.cluster.limits import ENDED, GIB, Limits, watched
from labelbench_ray.ledger.trials import Failure

PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from labelbench_ray.ledger.trials import write_failure
from labelbench_ray.cluster.limits import Limits, watched

def leak():
    kept = []
    while True:
        kept.append(np.ones(8 * 2**20))
        time.sleep(0.02)

def hang():
    while True:
        time.sleep(0.1)

def work():
    for _ in range(6):
        time.sleep(0.6)
        round_done()

def unrecorded(failure):
    raise OSError("no space left on device")

def record(failure):
    write_failure(Path(sys.argv[1]), failure)

with watched({limits}, {record}) as round_done:
    {body}()
print("through")
"""


def run(folder: Path, limits: str, body: str, record: str = "record") -> "subprocess.CompletedProcess[str]":
    program = PROGRAM.format(limits=limits, body=body, record=record)
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("limits", "body", "words"),
    [
        ("Limits(memory_gib=0.5)", "leak", "--memory-per-trial allows 0.5"),
        ("Limits(round_minutes=0.01)", "hang", "--round-minutes allows 0.01"),
    ],
)
def test_a_process_that_passes_a_limit_is_ended_on_record(tmp_path: Path, limits: str, body: str, words: str):
    done = run(tmp_path, limits, body)
    assert (done.returncode, done.stdout) == (ENDED, "")
    failure = Failure.model_validate(json.loads((tmp_path / "failure.json").read_text()))
    assert words in failure.error
    assert f"in {body}" in failure.traceback


def test_a_limit_holds_where_it_cannot_be_recorded(tmp_path: Path):
    done = run(tmp_path, "Limits(round_minutes=0.01)", "hang", "unrecorded")
    assert done.returncode == ENDED
    assert "no space left" in done.stderr


def test_each_round_has_its_own_time(tmp_path: Path):
    done = run(tmp_path, "Limits(memory_gib=8, round_minutes=0.05)", "work")  # 3.6 s in all, 0.6 of 3 s a round
    assert (done.returncode, done.stdout) == (0, "through\n")
    assert not (tmp_path / "failure.json").exists()


def test_code_that_lets_no_thread_run_is_ended_too(tmp_path: Path):
    program = """
import ctypes
from labelbench_ray.cluster import limits
limits.GRACE_SECONDS = 0.5
with limits.watched(limits.Limits(round_minutes=0.01), print):
    ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert "Timeout" in done.stderr


def test_a_passed_limit_is_stated_with_its_fix():
    both = Limits(memory_gib=1, round_minutes=2)
    assert both.passed(GIB, 120) == ""
    assert "holds 1.50 GiB of its own, --memory-per-trial allows 1;" in both.passed(3 * GIB // 2, 0)
    assert "for 2.5 min, --round-minutes allows 2;" in both.passed(0, 150)
    assert Limits().passed(2**60, 1e9) == ""


def test_without_limits_nothing_is_watched():
    with watched(Limits(), print) as round_done:
        round_done()

"""A trial's memory: estimated by sums that grow with what it holds, and above what a fit really takes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.planning.memory import GIB, PYTHON, at_once_here, reservable_bytes, reserved_bytes, trial_bytes
from labelbench_ray.trial import parts

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="margin"), seed=0, rounds=4, budget=25
)
ROWS = {"pool": 50_000, "validation": 5_000, "test": 5_000}
ENVIRONMENT = Environment(Path("runs"), Path("store"), Path("data"), "", address=None)


def estimate(trial: Trial, classes: int = 10) -> int:
    return trial_bytes(parts.build(trial), ROWS, classes)


def test_more_labels_wider_layers_and_orders_of_classes_need_more():
    few = estimate(BASE)
    assert few > PYTHON
    assert estimate(vary(BASE, rounds=40, budget=1000)) - few == 4 * 4 * (40_000 - 100) * 64
    assert estimate(vary(BASE, proxy=Part.of("shallow", hidden=4000))) > few
    assert estimate(vary(BASE, strategy="galaxy"), classes=100) - estimate(BASE, classes=100) == 4 * 100 * 50_000
    around = Part.of("partition", strategy="galaxy")
    assert estimate(vary(BASE, strategy=around), classes=100) == estimate(vary(BASE, strategy="galaxy"), classes=100)
    own = parts.build(vary(BASE, strategy="tests.hungry"))
    assert trial_bytes(own, ROWS, 100) - estimate(BASE, classes=100) == 20 * 100 * 50_000


def test_tallies_that_keep_rows_need_memory_for_each_row_and_class():
    scenes = Part.of("parquet", path="scenes", payload="image", label_list="tags")
    more = estimate(vary(BASE, dataset=scenes), classes=80) - estimate(BASE, classes=80)
    assert more == 5 * 80 * 60_000


def test_what_is_given_is_reserved_and_as_many_run_at_once_as_fit():
    assert reserved_bytes(ENVIRONMENT, 3 * GIB) == 3 * GIB
    given = Environment(Path("runs"), Path("store"), Path("data"), "", address=None, memory_per_trial=0.5)
    assert reserved_bytes(given, 3 * GIB) == GIB // 2
    assert reserved_bytes(replace(given, memory_per_trial=1e-12), 3 * GIB) == 1
    assert at_once_here(given, 2**50) == 0
    assert at_once_here(ENVIRONMENT, 1) >= 1


def test_an_estimate_beyond_every_machine_has_trials_run_one_at_a_time():
    """It is rough: on a small machine, or one whose memory others use, a trial may well fit."""
    assert reservable_bytes(3 * GIB, [0.0, 2.5 * GIB]) == 2.5 * GIB
    assert reservable_bytes(3 * GIB, [8.0 * GIB, 2.5 * GIB]) == 3 * GIB
    assert reservable_bytes(3 * GIB, []) == 3 * GIB
    assert at_once_here(ENVIRONMENT, 2**50) == 1


PROGRAM = """
import sys, threading, time
import numpy as np, psutil
import ray, torch
from labelbench_ray.trial import parts
from labelbench_ray.config import Trial
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.trial.loop import Loop
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from pathlib import Path

rows, folder = {rows}, Path(sys.argv[1])
trial = Trial.model_validate_json(sys.argv[2])
def split(name):
    np.save(folder / name, np.random.default_rng(0).normal(size=(rows[name], 64)).astype(np.float16))
    labels = np.random.default_rng(1).integers(0, 10, rows[name])
    return SplitArrays(np.load(folder / f"{{name}}.npy", mmap_mode="r"), labels)
pool, validation, test = (split(name) for name in ("pool", "validation", "test"))
splits = {{"pool": pool, "validation": validation, "test": test}}
embedded = Embedded(splits, standardize(pool.embeddings_ND), tuple("0123456789"))
peak, process, over = [0], psutil.Process(), threading.Event()
def look():
    while not over.wait(0.01):
        memory = process.memory_info()
        peak[0] = max(peak[0], memory.rss - memory.shared)
thread = threading.Thread(target=look)
thread.start()
built = parts.build(trial)
header = Header(fingerprint=built.fingerprint, trial=trial, store="", compute="", versions={{}})
with Ledger.open(folder / "trial", header) as ledger:
    list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())
over.set()
thread.join()
print(peak[0])
"""


@pytest.mark.parametrize("strategy", ["margin", "badge", "galaxy"])
def test_the_estimate_is_above_what_a_trial_takes_and_not_far(tmp_path: Path, strategy: str):
    trial = vary(BASE, strategy=strategy, trainer="logistic", rounds=2, budget=500)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(rows=ROWS), str(tmp_path), trial.model_dump_json()],
        capture_output=True,
        text=True,
        check=True,
    )
    taken = int(done.stdout)
    assert taken <= estimate(trial) <= 4 * taken, (taken / GIB, estimate(trial) / GIB)

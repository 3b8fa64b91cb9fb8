"""A trial's memory: estimated by sums that grow with what it holds, and above what a fit really takes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.planning.memory import (
    DRIVER_ROW,
    GIB,
    PYTHON,
    SCORER_ROW,
    WORKER_ROW,
    at_once_here,
    driver_bytes,
    reservable_bytes,
    reserved_bytes,
    scorer_bytes,
    trial_bytes,
)
from labelbench_ray.strategies._wrapper import OWN_ROW
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
    rows = parts.build(vary(BASE, strategy="galaxy")).strategy.bytes_per_row - parts.build(BASE).strategy.bytes_per_row
    more = estimate(vary(BASE, strategy="galaxy"), classes=100) - estimate(BASE, classes=100)
    assert more == (4 * 100 + rows) * 50_000
    around, galaxy = vary(BASE, strategy=Part.of("partition", strategy="galaxy")), vary(BASE, strategy="galaxy")
    assert estimate(around, classes=100) - estimate(galaxy, classes=100) == OWN_ROW * 50_000
    own = parts.build(vary(BASE, strategy="tests.hungry"))
    more = (20 * 100 + own.strategy.bytes_per_row - parts.build(BASE).strategy.bytes_per_row) * 50_000
    assert trial_bytes(own, ROWS, 100) - estimate(BASE, classes=100) == more


def test_every_process_needs_its_measured_bytes_for_each_pool_row():
    """Above the size at which a strategy's working memory stops to grow, which is what depends on the width."""
    built, large = parts.build(BASE), {"pool": 10_000_000, "validation": 5, "test": 5}
    more = trial_bytes(built, large | {"pool": 30_000_000}, 10) - trial_bytes(built, large, 10)
    assert more == (WORKER_ROW + built.strategy.bytes_per_row) * 20_000_000
    assert scorer_bytes(built, 10_000_001, 2) == PYTHON + (SCORER_ROW + built.strategy.bytes_per_row) * 5_000_001
    assert driver_bytes(large) == PYTHON + DRIVER_ROW * 10_000_010
    assert trial_bytes(built, large | {"pool": 100_000_000}, 10) < 8 * GIB
    small = {"pool": 1000, "validation": 5, "test": 5}
    more = trial_bytes(built, small | {"pool": 2000}, 10) - trial_bytes(built, small, 10)
    assert more == (WORKER_ROW + built.strategy.bytes_per_row + 4 * 4 * 64) * 1000


def test_a_proxy_of_several_tasks_holds_three_matrices_a_task():
    first = Part.of("task_relevance", target=3)
    several = vary(
        BASE,
        dataset=Part.of("digits_tasks", target=3),
        strategy=first,
        first_batch=first,
        proxy=Part.of("multitask_linear", target=3),
        trainer="none",
    )
    built = parts.build(several)
    one, forty, many = (trial_bytes(built, ROWS, 2, tasks) for tasks in (1, 40, 10_000))
    assert forty - one == 39 * 3 * 8 * 64**2
    assert many - one == 99 * 3 * 8 * 64**2, "100 labels are of 100 tasks at most"
    assert trial_bytes(parts.build(BASE), ROWS, 2, 40) == trial_bytes(parts.build(BASE), ROWS, 2)


def test_a_wrapper_needs_the_bytes_of_its_strategy():
    around = parts.build(vary(BASE, strategy=Part.of("partition", strategy="tests.hungry"))).strategy
    assert around.bytes_per_row == OWN_ROW + 700


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

"""A plan checks everything before anything runs, and says what is done."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import parts
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.experiment import Experiment
from labelbench_ray.ledger import Failure, Header, Ledger
from labelbench_ray.plan import Plan, describe, plan
from tests.samples import write_module

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="random"), seed=0, rounds=4, budget=25
)
POOL = 1257

ABSENT = """
from labelbench_ray.datasets import Dataset
from labelbench_ray.errors import NotProvidedError

class Absent(Dataset):
    def _open(self, root):
        raise NotProvidedError(f"bring the images to {root}")
"""


def make_plan(folder: Path, *trials: Trial) -> Plan:
    environment = Environment(
        runs=folder / "runs", store=folder / "store", data_root=folder / "data", tracking_uri="", address=None
    )
    return plan(Experiment("study.study", trials), environment)


def record(folder: Path, trial: Trial, rounds: int, failure: Failure | None = None) -> Path:
    """A trial's folder with some rounds in it."""
    name = parts.build(trial).fingerprint
    directory = folder / "runs" / "study.study" / name
    header = Header(fingerprint=name, trial=trial, store="s", compute="c", versions={})
    with Ledger.open(directory, header) as ledger:
        for number in range(len(ledger.records()), rounds):
            chosen = np.arange(trial.budget) + trial.budget * number
            ledger.publish(number, chosen, chosen % 10, trial.budget * (number + 1), {}, {}, {"bias": np.zeros(2)})
        if failure:
            ledger.fail(failure)
    return directory


def test_what_is_not_done_is_missing(tmp_path):
    done, half, fresh = grid(BASE, seed=range(3))
    record(tmp_path, done, 4)
    record(tmp_path, half, 1)
    planned = make_plan(tmp_path, done, half, fresh)
    assert [trial.rounds_done for trial in planned.trials] == [4, 1, 0]
    assert [trial.parts.trial.seed for trial in planned.missing] == [1, 2]


def test_a_trial_that_asks_for_more_rounds_than_are_recorded_is_missing(tmp_path):
    record(tmp_path, BASE, 4)
    assert make_plan(tmp_path, BASE).missing == ()
    (missing,) = make_plan(tmp_path, vary(BASE, rounds=5)).missing
    assert missing.rounds_done == 4


def test_why_the_last_attempt_failed_is_told(tmp_path):
    record(tmp_path, BASE, 1, Failure(error="OSError: disk full", traceback="..."))
    (trial,) = make_plan(tmp_path, BASE).trials
    assert (trial.rounds_done, trial.note) == (1, "OSError: disk full")


def test_a_damaged_ledger_is_told_by_its_file(tmp_path):
    path = record(tmp_path, BASE, 4) / "rounds" / "002.json"
    path.write_bytes(path.read_bytes()[:-20])
    (trial,) = make_plan(tmp_path, BASE).trials
    assert "002.json" in trial.note
    assert not trial.done


@pytest.mark.parametrize(("rounds", "budget"), [(1, POOL + 1), (POOL // 25 + 1, 25)])
def test_a_budget_beyond_the_pool_is_refused_with_both_numbers(tmp_path, rounds: int, budget: int):
    with pytest.raises(
        ConfigError, match=f"{rounds} rounds of {budget} labels are {rounds * budget}, the pool has {POOL} rows"
    ):
        make_plan(tmp_path, vary(BASE, rounds=rounds, budget=budget))


def test_a_budget_of_the_whole_pool_is_fine(tmp_path):
    make_plan(tmp_path, vary(BASE, rounds=1, budget=POOL))


def test_rounds_may_be_an_axis_the_longest_holds_the_shorter_ones(tmp_path):
    longer = vary(BASE, rounds=BASE.rounds + 1, trainer=Part.of("supervised", epochs=30))
    planned = make_plan(tmp_path, BASE, longer, BASE)
    assert [trial.parts.trial for trial in planned.trials] == [longer]


@pytest.mark.parametrize(
    "fields", [{"strategy": "margn"}, {"trainer": Part.of("logistic", l3=1)}, {"dataset": "digit"}]
)
def test_an_unknown_name_or_setting_anywhere_in_the_grid_is_refused(tmp_path, fields: dict):
    with pytest.raises(ConfigError, match="did you mean"):
        make_plan(tmp_path, BASE, vary(BASE, seed=1, **fields))


def test_data_that_are_not_here_are_to_be_provided(tmp_path, monkeypatch):
    trial = vary(BASE, dataset=write_module(tmp_path, "absent", ABSENT, monkeypatch), budget=10**6)
    planned = make_plan(tmp_path, trial)
    (store,) = planned.stores
    assert store.to_be_provided == (f"bring the images to {tmp_path / 'data'}",)
    assert (store.done, store.bytes) == (False, 0)
    assert any("to be provided: bring the images" in line for line in describe(planned))


def test_trials_share_stores_which_are_counted_once(tmp_path):
    planned = make_plan(tmp_path, *grid(BASE, seed=range(2), encoder=["pixels", Part.of("pixels", size=4)]))
    assert [store.example.encoder.dimensions() for store in planned.stores] == [64, 16]
    assert planned.stores[0].rows == {"pool": POOL, "validation": 180, "test": 360}


def test_the_sums_count_what_is_left_to_buy(tmp_path):
    first, second = grid(BASE, seed=range(2))
    record(tmp_path, first, 4)
    text = describe(make_plan(tmp_path, first, second))[0]
    assert "2 trials, 1 done, 1 to run, which buy 100 labels" in text


def test_planning_writes_nothing(tmp_path):
    make_plan(tmp_path, BASE)
    assert list(tmp_path.iterdir()) == []

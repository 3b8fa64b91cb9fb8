"""A plan checks everything before anything runs, and says what is done."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.api.plan_words import describe, describe_missing
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, StoreError
from labelbench_ray.ledger.state import FineTuneProgress, TrialState
from labelbench_ray.ledger.trials import Failure, Header, Ledger, write_failure
from labelbench_ray.planning import plan as planning
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.finetunes import PlannedTuning
from labelbench_ray.planning.plan import Plan, plan
from labelbench_ray.trial import parts
from tests.samples import write_module
from tests.test_views import add_views, make_store

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="random"), seed=0, rounds=4, budget=25
)
POOL = 1257

ABSENT = """
from labelbench_ray.datasets import Dataset
from labelbench_ray.errors import NotProvidedError

class Absent(Dataset):
    def load(self, root):
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
            write_failure(ledger.directory, failure)
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


def test_why_the_last_attempt_failed_is_reported(tmp_path):
    record(tmp_path, BASE, 1, Failure(error="OSError: disk full", traceback="..."))
    (trial,) = make_plan(tmp_path, BASE).trials
    assert (trial.rounds_done, trial.progress.reason) == (1, "OSError: disk full")


def test_a_damaged_ledger_is_reported_by_its_file(tmp_path):
    path = record(tmp_path, BASE, 4) / "rounds" / "002.json"
    path.write_bytes(path.read_bytes()[:-20])
    (trial,) = make_plan(tmp_path, BASE).trials
    assert "002.json" in trial.progress.reason
    assert not trial.done


def test_what_is_wrong_with_a_fine_tune_s_folder_is_reported(tmp_path):
    planned = make_plan(tmp_path, BASE)
    damaged = PlannedTuning(
        planned.trials[0].parts,
        planned.trials[0].directory,
        (40,),
        FineTuneProgress(TrialState.DAMAGED, "000040.json: was altered"),
    )
    notes = [
        line for line in describe(replace(planned, tunings=(damaged,))) if line.endswith("000040.json: was altered")
    ]
    assert notes == [f"  {planned.trials[0].parts.fingerprint}: 000040.json: was altered"]


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
    assert describe_missing(planned) == [f"to be provided: bring the images to {tmp_path / 'data'}"]


def test_trials_share_stores_which_are_counted_once(tmp_path):
    planned = make_plan(tmp_path, *grid(BASE, seed=range(2), encoder=["pixels", Part.of("pixels", size=4)]))
    assert [store.example.encoder.dimensions() for store in planned.stores] == [64, 16]
    assert planned.stores[0].rows == {"pool": POOL, "validation": 180, "test": 360}


def test_the_sums_count_what_is_left_to_buy(tmp_path):
    first, second = grid(BASE, seed=range(2))
    record(tmp_path, first, 4)
    text = describe(make_plan(tmp_path, first, second))[0]
    assert "2 trials, 1 done, 1 to run, which buy 100 labels" in text


def test_memory_is_estimated_by_one_thread(tmp_path, monkeypatch):
    """Sixteen would each build the network of an encoder whose parameters are counted."""
    threads: set[int] = set()

    def estimate(*_: object) -> int:
        threads.add(threading.get_ident())
        return 1

    monkeypatch.setattr(planning, "trial_bytes", estimate)
    make_plan(tmp_path, *grid(BASE, seed=range(8)))
    assert threads == {threading.get_ident()}


def test_planning_writes_nothing(tmp_path):
    make_plan(tmp_path, BASE)
    assert list(tmp_path.iterdir()) == []


def views(count: int, **augmentation: object) -> Part:
    return Part.of("tests.augmentations.wanting", views=count, augmentation=Part.of("images", **augmentation))


def test_a_store_is_planned_with_the_most_views_that_a_trial_wants_of_each_augmentation(tmp_path):
    trainers = ["logistic", views(2), views(3), views(1), views(2, flip=False)]
    (store,) = make_plan(tmp_path, *grid(BASE, trainer=trainers)).stores
    assert [(each.wanted.count, each.there) for each in store.views] == [(3, 0), (2, 0)]
    assert [each.trial.trainer for each in store.examples] == [views(3), views(2, flip=False)]
    assert not store.complete


def test_the_bytes_of_views_are_counted(tmp_path):
    """A view: two embeddings of 64 values in two bytes, in shards and in arrays, of the pool only."""
    plain, viewed = (make_plan(tmp_path, vary(BASE, trainer=trainer)) for trainer in ("logistic", views(5)))
    (one,), (other,) = plain.stores, viewed.stores
    assert other.bytes - one.bytes == 5 * 2 * 64 * 2 * 2 * POOL
    assert any(f"{other.bytes / 1e6:.1f} MB on disk" in line for line in describe(viewed))
    text = "5 augmented views of the pool by images (crop=0.8 flip=True operations=3 cutout=0.5): 0 there, 5 to be "
    assert any(text in line for line in describe(viewed))
    assert not any("augmented" in line for line in describe(plain))


def test_views_that_cannot_be_embedded_here_are_refused_with_the_number_that_is(tmp_path, monkeypatch):
    """The store is whole but the data are gone: trials that need no more than it has run, others do not."""
    store = add_views(make_store(tmp_path / "made"), 2)
    trial = vary(BASE, dataset=write_module(tmp_path, "absent", ABSENT, monkeypatch), rounds=1)
    key = parts.build(trial).embedding
    shutil.copytree(store.directory, tmp_path / "store" / key)
    path = tmp_path / "store" / key / "manifest.json"
    path.write_text(path.read_text().replace("thekey", key))
    (planned,) = make_plan(tmp_path, vary(trial, trainer=views(2))).stores
    assert planned.complete
    with pytest.raises(ConfigError, match=r"3 views are asked for, .* has 2.*lower `views` to 2, or: bring the"):
        make_plan(tmp_path, vary(trial, trainer=views(3)))
    with pytest.raises(ConfigError, match=r"1 views are asked for, .* has 0.*use a trainer that needs none, or: bring"):
        make_plan(tmp_path, vary(trial, trainer=views(1, flip=False)))


def test_a_view_of_another_store_is_refused_when_planned(tmp_path, monkeypatch):
    store = add_views(make_store(tmp_path / "made"), 1)
    trial = vary(BASE, dataset=write_module(tmp_path, "absent", ABSENT, monkeypatch), rounds=1, trainer=views(1))
    key = parts.build(trial).embedding
    shutil.copytree(store.directory, tmp_path / "store" / key)
    path = tmp_path / "store" / key / "manifest.json"
    path.write_text(path.read_text().replace("thekey", key).replace('"numpy float32 cpu"', '"another"'))
    with pytest.raises(StoreError, match=r"0/manifest\.json: was made from the store"):
        make_plan(tmp_path, trial)

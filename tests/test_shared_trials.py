"""Experiments below one runs folder share trials by fingerprint: each runs once, and all follow its ledger."""

import io
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from labelbench_ray import results
from labelbench_ray.api.plan_words import describe
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.commands import status
from labelbench_ray.config import Part, Trial, grid
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.experiments import read_grid, write_grid
from labelbench_ray.ledger.records import Entry, Failure, Grid
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.trials import write_failure
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan
from labelbench_ray.report import build
from labelbench_ray.storage.locks import locked
from labelbench_ray.tracking.directories import tracked_directories

BASE = Trial(
    dataset=Part(name="digits", settings={"max_rows": 200}),
    encoder=Part(name="pixels"),
    strategy=Part(name="random"),
    trainer=Part(name="logistic"),
    seed=0,
    rounds=2,
    budget=12,
)
RANDOM = grid(BASE, seed=range(2))
BOTH = grid(BASE, strategy=["random", "margin"], seed=range(2))


def environment(folder: Path) -> Environment:
    return Environment(
        runs=folder / "runs",
        store=folder / "store",
        data_root=folder / "data",
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        executor="local",
    )


def planned(folder: Path, name: str, trials: list[Trial]) -> Plan:
    return plan(Experiment(name, tuple(trials)), environment(folder))


def run(folder: Path, name: str, trials: list[Trial]) -> Plan:
    made = planned(folder, name, trials)
    console = Console(file=io.StringIO())
    assert run_plan(made, replace(environment(folder), tracking_uri="http://127.0.0.1:9"), console) == 0
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of two trials that has run."""
    folder = tmp_path_factory.mktemp("shared")
    run(folder, "a.first", RANDOM)
    return folder


@pytest.fixture
def ran(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_another_grid_runs_what_is_new_and_refers_to_the_rest(ran):
    before = {path: path.read_bytes() for path in (ran / "runs" / "a.first").rglob("*.json")}
    found = planned(ran, "b.second", BOTH)
    assert (len(found.shared), len(found.missing)) == (2, 2)
    assert "2 of them are shared: their ledgers are in the folder of a.first" in "\n".join(describe(found))
    run(ran, "b.second", BOTH)
    second = ran / "runs" / "b.second"
    assert len(list(second.glob("*/trial.json"))) == 2
    owners = {entry.trial.strategy.name: entry.owner for entry in read_grid(second).entries}
    assert owners == {"random": "a.first", "margin": ""}
    after = {path: path.read_bytes() for path in (ran / "runs" / "a.first").rglob("*.json")}
    assert {path.name for path in after if after[path] != before.get(path)} <= {"report.html"}
    assert {each.state for each in status.read(second).trials} == {TrialState.DONE}
    (section,) = build(second).sections
    assert {row.strategy for row in section.main.rows} == {"random", "margin"}
    assert set(results(second).rounds()["strategy"].to_pylist()) == {"random", "margin"}
    folders = {path.parent.name for path in tracked_directories(second, read_grid(second))}
    assert folders == {"a.first", "b.second"}
    assert len(tracked_directories(second, read_grid(second))) == 4
    assert not planned(ran, "b.second", BOTH).missing


def test_a_renamed_experiment_runs_nothing(ran):
    made = run(ran, "b.renamed", RANDOM)
    assert not made.missing
    assert not list((ran / "runs" / "b.renamed").glob("*/trial.json"))


def test_a_list_without_shared_trials_is_the_file_that_it_was(ran):
    text = (ran / "runs" / "a.first" / "experiment.json").read_text("utf-8")
    assert '"owner"' not in text
    assert '"store"' not in text


def test_another_store_is_not_shared_and_a_reference_to_one_is_refused(ran):
    run(ran, "b.second", RANDOM)
    for path in (ran / "runs" / "a.first").glob("*/trial.json"):
        path.write_text(path.read_text("utf-8").replace('"store": "', '"store": "f'), "utf-8")
    second = ran / "runs" / "b.second"
    for each in status.read(second).trials:
        assert each.state is TrialState.DAMAGED
        assert "was shared and is made from another store now; `labelbench run` runs the trial here" in each.reason
    assert {each.state for setting in build(second).sections for each in setting.setting.runs} == {TrialState.DAMAGED}
    again = run(ran, "b.second", RANDOM)
    assert (len(again.shared), len(again.missing)) == (0, 2)
    assert {each.state for each in status.read(second).trials} == {TrialState.DONE}


def test_smoke_tests_share_with_each_other_only(ran):
    assert not planned(ran, "b.second.tiny", RANDOM).shared
    run(ran, "a.first.tiny", RANDOM)
    assert {each.directory.parent.name for each in planned(ran, "b.second.tiny", RANDOM).shared} == {"a.first.tiny"}
    assert {each.directory.parent.name for each in planned(ran, "b.second", RANDOM).shared} == {"a.first"}


def test_an_owner_that_is_deleted_has_its_trials_run_here(ran):
    run(ran, "b.second", RANDOM)
    shutil.rmtree(ran / "runs" / "a.first")
    second = ran / "runs" / "b.second"
    assert {each.state for each in status.read(second).trials} == {TrialState.PLANNED}
    assert len(run(ran, "b.second", RANDOM).missing) == 2
    assert len(list(second.glob("*/trial.json"))) == 2


def test_a_trial_that_another_experiment_lists_runs_once_whichever_begins(ran):
    """Two experiments at once: both write into one folder, under one lock."""
    trial = BOTH[-1]
    listed = planned(ran, "a.first", [trial])
    fingerprint = listed.trials[0].parts.fingerprint
    first = ran / "runs" / "a.first"
    write_grid(first, Grid(experiment="a.first", entries=(Entry(fingerprint=fingerprint, trial=trial),)))
    made = planned(ran, "b.second", [trial])
    assert made.trials[0].directory == first / fingerprint
    made.trials[0].directory.mkdir()
    with locked(first / fingerprint / "lock"):
        thread = threading.Thread(target=run, args=(ran, "b.second", [trial]))
        thread.start()
        thread.join(2)
        assert thread.is_alive(), "it waits for the lock"
        assert not (first / fingerprint / "trial.json").exists()
    thread.join(60)
    assert (first / fingerprint / "trial.json").is_file()
    assert not (ran / "runs" / "b.second" / fingerprint).exists()
    assert not planned(ran, "a.first", [trial]).missing


def test_a_trial_that_failed_here_before_it_began_stays_here_unless_another_experiment_has_begun_it(ran):
    trial, done = BOTH[-1], RANDOM[0]
    fingerprints = [planned(ran, "b.second", [each]).trials[0].parts.fingerprint for each in (trial, done)]
    first, second = ran / "runs" / "a.first", ran / "runs" / "b.second"
    entries = tuple(Entry(fingerprint=name, trial=each) for name, each in zip(fingerprints, (trial, done), strict=True))
    write_grid(first, Grid(experiment="a.first", entries=entries))
    for name in fingerprints:
        (second / name).mkdir(parents=True)
        write_failure(second / name, Failure.of("LedgerError: a link", ""))
    tried, begun = planned(ran, "b.second", [trial, done]).trials
    assert (tried.directory.parent, tried.progress.state) == (second, TrialState.FAILED)
    assert (begun.directory.parent, begun.progress.state) == (first, TrialState.DONE)


@pytest.mark.parametrize("owner", ["..", "../x", "/tmp", "a/b", ".hidden", "a\\b"])
def test_an_owner_cannot_lead_out_of_the_runs_folder(owner):
    with pytest.raises(ValidationError):
        Entry(fingerprint="abc", trial=BASE, owner=owner)

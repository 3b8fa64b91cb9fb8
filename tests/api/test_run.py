"""`run` from a script: what `labelbench run` does, with paths, mistakes and interrupts as Python has them."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from labelbench_ray import grid, run
from labelbench_ray.api import run as running
from labelbench_ray.api.environments import RunOptions
from labelbench_ray.api.outcome import RunOutcome
from labelbench_ray.commands import cli
from labelbench_ray.config import vary
from labelbench_ray.console import progress
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, UserError
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.trials import read_history
from tests.full_trials import DIGITS, untimed
from tests.samples import write_module

TRIALS = grid(DIGITS, strategy=["random", "margin"])
OF_THE_PLACE = ("embedded", "report:", "MLflow:")
"""How lines begin that name a folder or a time."""
FILE = f"""
from labelbench_ray import Trial, grid

def margins() -> list[Trial]:
    return grid(Trial.model_validate_json({DIGITS.model_dump_json()!r}), strategy=["random", "margin"])
"""
FAULTY = """
from labelbench_ray.strategies.random import Random

class Faulty(Random):
    def choose(self, view, budget, key, ask):
        if len(view.labeled_L) and view.num_rows == 300:
            raise {error}
        return super().choose(view, budget, key, ask)
"""


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow for all: making its database takes longer than a run here."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def run_here(tmp_path: Path, mlflow: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunOutcome]:
    """Run trials in this process, in a folder of the test's own; paths are relative. No machine is slow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "QUIET_SECONDS", float("inf"))  # lines that slow work prints now and then
    usual = {"name": "study", "executor": "local", "store": store, "tracking_uri": mlflow}
    return lambda trials, **given: run(trials, **usual | given)


def test_it_writes_the_ledgers_that_the_command_writes(
    run_here: Callable[..., RunOutcome], tmp_path: Path, mlflow: str, store: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "study.py").write_text(FILE)
    shared = ["--executor", "local", "--store", str(store), "--tracking-uri", mlflow]
    assert cli.app(["run", "study.py", "--runs", "of the command", *shared], standalone_mode=False) == 0
    printed = capsys.readouterr().out
    outcome = run_here(iter(TRIALS), name="study.margins", runs=tmp_path / "of Python")
    assert outcome.done
    assert outcome.folder == tmp_path / "of Python" / "study.margins"
    assert [each.trial for each in outcome.trials] == TRIALS
    for each in outcome.trials:
        theirs = read_history(tmp_path / "of the command" / "study.margins" / each.fingerprint)
        ours = read_history(outcome.folder / each.fingerprint)
        assert len(ours.records) == each.rounds_done == 2
        assert untimed(ours.records) == untimed(theirs.records)
        assert ours.header == theirs.header
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(OF_THE_PLACE)]
    assert lines == [line for line in printed.splitlines() if not line.startswith(OF_THE_PLACE)]
    assert outcome.report.is_file()
    assert outcome.results().trials().column("strategy").to_pylist() == ["random", "margin"]


def test_called_again_it_runs_what_is_missing_and_nothing_else(
    run_here: Callable[..., RunOutcome], capsys: pytest.CaptureFixture[str]
):
    run_here(TRIALS[:1], progress=False)
    assert capsys.readouterr().out == ""
    outcome = run_here(TRIALS, runs="runs")
    assert "1 trials done, 0 failed, 0 not finished; 1 were done before" in capsys.readouterr().out
    assert outcome.done
    assert str(outcome) == repr(outcome) == f"study: 2 trials, 2 done; report: {outcome.report}"
    assert outcome.folder == Path.cwd() / "runs/study"


def test_a_failed_trial_is_printed_and_in_the_outcome(
    run_here: Callable[..., RunOutcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    own = write_module(tmp_path, "faulty", FAULTY.format(error="IndexError('enough')"), monkeypatch)
    outcome = run_here([vary(DIGITS, strategy=own), *TRIALS], progress=False)
    (failed,) = outcome.failed
    assert not outcome.done
    assert (failed.state, failed.rounds_done) == (TrialState.FAILED, 1)
    assert failed.reason.endswith("IndexError: enough")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("study: 3 trials, 2 done, 1 failed; report: ")
    assert second == f"failed: {own}, seed 0: {failed.reason}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_hours": 1e-9}, "--max-hours 1e-09 is reached after 0.00 hours"),
        ({"max_cost": 1e-9}, "--max-cost 1e-09 is reached: this run took 0.00 USD"),
    ],
)
def test_a_limit_ends_a_run_between_rounds_and_the_same_call_goes_on(
    run_here: Callable[..., RunOutcome],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, float],
    words: str,
):
    monkeypatch.setattr("sys.argv", ["study.py"])
    run_here(TRIALS[:1], name="embedded", progress=False)
    paused = run_here([vary(trial, seed=7) for trial in TRIALS], **given)
    assert [each.rounds_done for each in paused.trials] == [int("max_cost" in given), 0]
    assert not paused.failed
    printed = capsys.readouterr().out.splitlines()
    assert f"{words}; what is finished is recorded, and the same call goes on" in printed
    assert paused.report.is_file()
    complete = run_here([vary(trial, seed=7) for trial in TRIALS], progress=False)
    straight = run_here([vary(trial, seed=7) for trial in TRIALS], runs="straight", progress=False)
    for resumed, whole in zip(complete.trials, straight.trials, strict=True):
        assert resumed.state is TrialState.DONE
        ledgers = [read_history(each.folder / resumed.fingerprint) for each in (complete, straight)]
        assert untimed(ledgers[0].records) == untimed(ledgers[1].records)
        assert resumed.fingerprint == whole.fingerprint


def test_an_interrupt_leaves_what_is_finished_and_the_same_call_goes_on(
    run_here: Callable[..., RunOutcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """As when a notebook's kernel is interrupted, in the second round of the first trial."""
    own = write_module(tmp_path, "stopped", FAULTY.format(error="KeyboardInterrupt"), monkeypatch)
    trials = [vary(DIGITS, strategy=own), *TRIALS]
    monkeypatch.setattr("sys.argv", ["/usr/bin/ipykernel_launcher.py", "-f", "kernel.json"])
    with pytest.raises(KeyboardInterrupt):
        run_here(trials)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "0 trials done, 0 failed, 3 not finished; 0 were done before",
        "interrupted; what is finished is recorded, and the same call goes on",
    ]
    (record,) = (tmp_path / "runs/study").glob("*/rounds/*.json")
    changed = record.stat().st_mtime_ns
    write_module(tmp_path, "stopped", FAULTY.replace("raise {error}", "pass"), monkeypatch)
    assert run_here(trials, progress=False).done
    assert record.stat().st_mtime_ns == changed


@pytest.mark.parametrize(
    ("given", "states"),
    [
        ({"trials": []}, r"trials: there are none; give at least one, as in grid\("),
        ({"trials": ["margin"]}, "trials: 'margin' is not a Trial; give a list of trials"),
        ({"name": "a/b"}, "name: 'a/b' cannot name a folder in `runs`; use letters"),
        ({"name": ""}, "name: '' cannot name a folder"),
        ({"name": ".."}, r"name: '\.\.' cannot name a folder"),
        ({"executor": "rya"}, r"executor: Input should be 'ray' or 'local' \(was 'rya'\)"),
        ({"scorer": 2}, "no option called 'scorer'; did you mean 'scorers'"),
        ({"cpus_per_trial": 0}, r"cpus_per_trial: Input should be greater than 0 \(was 0\)"),
        ({"max_reject_fraction": 1.5}, r"max_reject_fraction: Input should be less than or equal to 1 \(was 1.5\)"),
        ({"cpus_per_trial": "two"}, r"cpus_per_trial: Input should be a valid number \(was 'two'\)"),
        ({"scorers": 2}, "--executor local starts no worker, .*: --scorers; leave them out"),
        ({"executor": "ray", "address": "http://head:8265"}, "--address http://head:8265 .* is for `ray job submit`"),
        ({"runs": "ftp://somewhere"}, "'ftp://somewhere' is not a path or a supported URI"),
        ({"trials": [vary(DIGITS, strategy="margn")]}, "no strategy called 'margn'; did you mean 'margin'"),
        ({"trials": [vary(DIGITS, budget=200)]}, "2 rounds of 200 labels are 400, the pool has 300 rows"),
    ],
)
def test_a_mistake_is_a_user_error_before_anything_runs(
    run_here: Callable[..., RunOutcome], tmp_path: Path, given: dict[str, Any], states: str
):
    with pytest.raises(UserError, match=states):
        run_here(**{"trials": TRIALS} | given)
    assert not list(tmp_path.iterdir())


def test_a_strategy_that_is_an_object_is_answered_with_how_to_name_it():
    from labelbench_ray.strategies.margin import Margin

    for given in (Margin(), Margin):
        with pytest.raises(ConfigError, match=r"strategy: a plug-in is named, .* such as 'my_package.impurity'"):
            grid(DIGITS, strategy=[given])


def test_its_options_are_the_environment_s():
    kinds = get_type_hints(Environment)
    arguments = signature(run).parameters
    own = {"runs", "store", "data_root", "tracking_uri", "address", "executor"}
    assert own <= set(arguments)
    assert get_type_hints(RunOptions) == {name: kind for name, kind in kinds.items() if name not in own}


def test_a_submitted_job_s_cluster_is_used_and_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Environment] = []

    def stop(experiment: object, environment: Environment, *_: object) -> None:
        seen.append(environment)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "run_experiment", stop)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    for given in ({}, {"address": "other:6379"}, {"address": "local"}, {"executor": "local"}):
        with pytest.raises(KeyboardInterrupt):
            run(TRIALS, name="study", **given)
    assert [each.address for each in seen] == ["head:6379", "other:6379", None, None]
    assert {(each.runs, each.store, each.data_root) for each in seen} == {
        (tmp_path / "runs", tmp_path / "store", tmp_path / "data")
    }
    assert {each.tracking_uri for each in seen} == {f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"}

"""Early stopping without Ray: who may be compared, what is recorded of a stopped trial, and where it is reported."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.plan_words import describe
from labelbench_ray.api.run_plan import report_outcome, run_plan
from labelbench_ray.cluster.early_stopping import results
from labelbench_ray.commands import cli, status
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.console.events import Events, logged
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DamagedError
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid, Stopped
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.stopped import STOPPED, read_stopped, write_stopped
from labelbench_ray.ledger.trials import Failure, Header, Ledger, read_history, write_failure
from labelbench_ray.planning.early_stopping import EarlyStoppingRule, early_stopping_rule
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan, planned_early_stopping
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.versions import versions
from labelbench_ray.tracking.runs import read_tracked_run
from labelbench_ray.trial import parts

BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=5, budget=4)
EXPERIMENT = """
from labelbench_ray.config import Trial, grid

def study() -> list[Trial]:
    base = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=5, budget=4)
    return grid(base, {axis})
"""
BEHIND = Stopped(rounds_done=3, rounds=5, rule="behind")


def record(folder: Path, trial: Trial, rounds: int, stopped: Stopped | None = None) -> Path:
    """A trial's folder in the runs directory; the validation accuracy after round n is n / 10."""
    name = parts.build(trial).fingerprint
    directory = folder / "runs" / "study.study" / name
    header = Header(fingerprint=name, trial=trial, store="s", compute="c", versions={})
    with Ledger.open(directory, header) as ledger:
        for number in range(len(ledger.records()), rounds):
            chosen, metrics = (
                np.arange(trial.budget) + trial.budget * number,
                {"Validation Accuracy": (number + 1) / 10},
            )
            ledger.publish(number, chosen, chosen % 3, trial.budget * (number + 1), metrics, {}, {"bias": np.zeros(2)})
    if stopped:
        write_stopped(directory, stopped)
    return directory


def environment(folder: Path, early_stopping: bool) -> Environment:
    places = {"runs": folder / "runs", "store": folder / "store", "data_root": folder / "data"}
    return Environment(**places, tracking_uri="", address=None, early_stopping=early_stopping)


def planned(folder: Path, *trials: Trial, early_stopping: bool) -> Plan:
    return plan(Experiment("study.study", trials), environment(folder, early_stopping))


def test_trials_that_differ_in_strategy_seed_trainer_proxy_and_noise_may_race():
    trials = [
        *grid(BASE, strategy=["margin", "random"], seed=[0, 1]),
        vary(BASE, trainer="logistic"),
        vary(BASE, proxy="shallow"),
        vary(BASE, corrupter=Part.of("uniform_noise", fraction=0.5)),
    ]
    assert early_stopping_rule(trials) == EarlyStoppingRule(5)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("dataset", Part.of("digits", max_rows=300)),
        ("encoder", "efficientnet_lite0_random"),
        ("budget", 5),
        ("rounds", 6),
    ],
)
def test_trials_that_are_on_different_scales_are_refused_by_the_field(name: str, other: object):
    with pytest.raises(ConfigError, match=f"differ in {name}: .*, .*; give each of these an experiment of its own"):
        early_stopping_rule([BASE, vary(BASE, **{name: other})])


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_race_in_which_only_the_first_batch_could_be_judged_is_refused(rounds: int):
    with pytest.raises(ConfigError, match=rf"half of the rounds; {rounds} are asked for.*at least 3"):
        early_stopping_rule([vary(BASE, rounds=rounds)])


@pytest.mark.parametrize(("rounds", "after"), [(3, 2), (4, 2), (5, 3), (10, 5), (11, 6)])
def test_trials_are_judged_at_half_of_the_rounds_and_never_by_the_first_batch(rounds: int, after: int):
    assert EarlyStoppingRule(rounds).judged_after == after


def test_a_grid_that_cannot_race_is_refused_before_anything_starts_and_only_if_it_is_to_race(tmp_path):
    mixed = (BASE, vary(BASE, budget=5))
    here = environment(tmp_path, True)
    with pytest.raises(ConfigError, match="differ in budget"):
        run_plan(planned(tmp_path, *mixed, early_stopping=True), here, Console(file=io.StringIO()))
    assert not (tmp_path / "runs").exists()
    assert planned_early_stopping(planned(tmp_path, *mixed, early_stopping=False), environment(tmp_path, False)) is None
    record(tmp_path, mixed[1], 5)  # what is done does not early_stopping_rule
    assert planned_early_stopping(planned(tmp_path, *mixed, early_stopping=True), here) == EarlyStoppingRule(5)


def test_the_plan_states_the_rule_or_the_refusal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "same.py").write_text(EXPERIMENT.format(axis="seed=[0, 1]"))
    (tmp_path / "mixed.py").write_text(EXPERIMENT.format(axis="budget=[4, 5]"))
    same = CliRunner().invoke(cli.app, ["plan", "same.py", "--early-stopping"])
    assert "early stopping: a trial ends when after 3 rounds its validation accuracy" in " ".join(same.output.split())
    assert "early stopping" not in CliRunner().invoke(cli.app, ["plan", "same.py"]).output
    mixed = CliRunner().invoke(cli.app, ["plan", "mixed.py", "--early-stopping"])
    assert isinstance(mixed.exception, ConfigError)


def test_every_round_but_the_last_is_reported_once_with_its_score(tmp_path):
    directory = record(tmp_path, BASE, 3)
    ran, found = EarlyStoppingRule(5), ["rounds", "compared_round", "validation_accuracy"]
    assert [[each[name] for name in found] for each in results(ran, directory, 0, 3)] == [
        [3, 1, 0.1],
        [3, 2, 0.2],
        [3, 3, 0.3],
    ]
    record(tmp_path, BASE, 5)
    assert [[each[name] for name in found] for each in results(ran, directory, 3, 4)] == [[4, 4, 0.4]]
    assert list(results(ran, directory, 4, 5)) == []
    assert list(results(ran, directory, 0, 5)) == []  # taken up before its last round: it is done


def test_what_is_recorded_is_read_back_until_somebody_takes_the_trial_up(tmp_path):
    directory = record(tmp_path, BASE, 3)
    assert read_stopped(directory) is None
    write_stopped(directory, BEHIND)
    assert read_stopped(directory) == read_history(directory).stopped == BEHIND
    record(tmp_path, BASE, 4)
    assert read_stopped(directory) is None
    assert read_history(directory).stopped is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"rounds_done": 3, "rounds": 5, "rule": "behind"}', '{"rounds_done": 0, "checksum": "a"}']
)
def test_a_damaged_record_is_refused_by_its_file_and_the_trial_runs_again(tmp_path, text: str):
    directory = record(tmp_path, BASE, 3, BEHIND)
    (directory / STOPPED).write_text(text)
    with pytest.raises(DamagedError, match=r"stopped\.json: .*delete it"):
        read_stopped(directory)
    found = planned(tmp_path, BASE, early_stopping=True)
    assert len(found.missing) == 1
    assert "stopped.json" in found.missing[0].progress.reason
    record(tmp_path, BASE, 3)
    assert not (directory / STOPPED).exists()


def test_early_stopping_leaves_stopped_trials_alone_and_a_run_without_it_goes_on(tmp_path):
    trials = grid(BASE, seed=range(3))
    for trial, rounds in zip(trials, (3, 5, 2), strict=True):
        record(tmp_path, trial, rounds, BEHIND if rounds == 3 else None)
    with_it, without = (planned(tmp_path, *trials, early_stopping=asked) for asked in (True, False))
    assert [trial.parts.trial.seed for trial in with_it.missing] == [2]
    assert [trial.parts.trial.seed for trial in with_it.skipped] == [0]
    assert "3 trials, 1 done, 1 stopped early and left, 1 to run" in describe(with_it)[0]
    assert [trial.parts.trial.seed for trial in without.missing] == [0, 2]
    assert "3 trials, 1 done, 2 to run" in describe(without)[0]
    assert {each.trials[0].progress.reason for each in (with_it, without)} == {
        "stopped early after 3 of 5 rounds: behind"
    }


def test_a_stopped_trial_that_is_asked_for_no_more_than_it_has_is_done(tmp_path):
    record(tmp_path, BASE, 3, BEHIND)
    found = planned(tmp_path, vary(BASE, rounds=3), early_stopping=True)
    assert (found.missing, found.skipped, found.trials[0].done) == ((), (), True)


def test_the_driver_records_reports_and_counts_a_stopped_trial_which_is_no_failure(tmp_path):
    directory = record(tmp_path, BASE, 3)
    console, shown, submitted = Console(file=io.StringIO(), width=200), [], []
    silent: Any = SimpleNamespace(show=lambda *progress: shown.append(progress), console=console)
    mirror: Any = SimpleNamespace(submit=submitted.append)
    monitor = SweepMonitor(silent, mirror, "rounds", {directory: 5, tmp_path: 5}, {}, events=Events("study.study"))
    job: Any = SimpleNamespace(directory=directory, trial=BASE)
    with logged("study.study", environment(tmp_path, True), console):
        monitor.on_started(job)
        monitor.on_round(job, 3)
        monitor.on_stopped(job, 3)
        monitor.on_done(SimpleNamespace(directory=tmp_path, trial=BASE))
        unfinished = report_outcome(monitor, console, 0)
    stopped = read_stopped(directory)
    assert stopped == Stopped(rounds_done=3, rounds=5, rule=str(EarlyStoppingRule(5)), versions=versions())
    assert (unfinished, submitted) == (0, [directory])
    assert "1 trials done, 0 failed, 0 not finished, 1 stopped early; 0 were done before" in console.file.getvalue()
    assert shown[-1][:2] == (10, 10)  # what it would have run is not waited for
    lines = [json.loads(line) for line in (directory.parent / "events.jsonl").read_text().splitlines()]
    (event,) = [line for line in lines if line["event"] == "trial_stopped"]
    assert (event["rounds_done"], event["reason"]) == (3, stopped.rule)
    assert lines[-1]["stopped"] == 1


@pytest.mark.parametrize("is_held", [True, False])
def test_status_reports_a_stopped_trial_also_while_its_worker_waits_for_another(tmp_path, is_held: bool):
    stopped, failed = grid(BASE, seed=range(2))
    folder = record(tmp_path, stopped, 3, BEHIND).parent
    write_failure(record(tmp_path, failed, 3, BEHIND), Failure(error="OSError: no", traceback=""))
    entries = tuple(Entry(fingerprint=parts.build(trial).fingerprint, trial=trial) for trial in (stopped, failed))
    write_grid(folder, Grid(experiment="study.study", entries=entries))
    if is_held:
        with locked(folder / entries[0].fingerprint / "lock"):
            found = status.read(folder)
    else:
        found = status.read(folder)
    assert [trial.state for trial in found.trials] == [TrialState.STOPPED_EARLY, TrialState.FAILED]
    assert found.trials[0].reason == "stopped early after 3 of 5 rounds: behind"
    assert "1 failed, 1 stopped early" in status.summary(found)


def test_mlflow_marks_a_stopped_trial_until_it_goes_on(tmp_path):
    tracked = read_tracked_run(record(tmp_path, BASE, 3, BEHIND))
    assert (tracked.status, tracked.tags["stopped_early"]) == ("KILLED", "true")
    tracked = read_tracked_run(record(tmp_path, BASE, 5))
    assert (tracked.status, tracked.tags["stopped_early"]) == ("FINISHED", "false")

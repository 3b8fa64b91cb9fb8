"""The state of a trial, by everything that its folder can hold: the same for plan, status, report and MLflow."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from labelbench_ray.commands import status
from labelbench_ray.config import FineTune, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger
from labelbench_ray.ledger.records import Failure, Stopped
from labelbench_ray.ledger.shared import Owners
from labelbench_ray.ledger.state import TrialState, finetune_progress, trial_progress
from labelbench_ray.ledger.stopped import write_stopped
from labelbench_ray.ledger.trials import write_failure
from labelbench_ray.planning.plan import PlannedTrial, _planned_trial
from labelbench_ray.planning.stores import PlannedStore
from labelbench_ray.report.curves import read
from labelbench_ray.storage.locks import locked
from labelbench_ray.tracking.runs import read_tracked_run
from labelbench_ray.trial import parts
from tests.test_status import BASE, home, note, record

FAILURE = Failure(error="OSError: no\nspace", traceback="")
STOPPED = Stopped(rounds_done=1, rounds=3, rule="behind")


def folder_with(
    rounds: int | None, failure: bool = False, stopped: bool = False, damaged: str = ""
) -> Callable[[Path], None]:
    """Makes a trial's folder; `rounds`: None for one without `trial.json`."""

    def make(runs: Path) -> None:
        directory = home(runs, BASE)
        if rounds is None:
            directory.mkdir()
        else:
            record(runs, BASE, rounds)
        if failure:
            write_failure(directory, FAILURE)
        if stopped:
            write_stopped(directory, STOPPED)
        if damaged:
            (directory / damaged).write_text("{")

    return make


def nothing(runs: Path) -> None:
    """Makes no folder."""


def folder_of_another_trial(runs: Path) -> None:
    record(runs, vary(BASE, seed=9), 1).rename(home(runs, BASE))


TABLE: dict[str, tuple[Callable[[Path], None], str, str, int, str | None]] = {
    # what is there: the state, the state while the lock is held, rounds done, the status in MLflow (None: no run)
    "nothing": (nothing, "planned", "running", 0, None),
    "an empty folder": (folder_with(None), "planned", "running", 0, None),
    "a failure before the ledger was open": (folder_with(None, failure=True), "failed", "running", 0, None),
    "no round": (folder_with(0), "incomplete", "running", 0, "RUNNING"),
    "a round": (folder_with(1), "incomplete", "running", 1, "RUNNING"),
    "a failure": (folder_with(1, failure=True), "failed", "running", 1, "FAILED"),
    # Its process holds the lock until it is given another trial.
    "stopped": (folder_with(1, stopped=True), "stopped_early", "stopped_early", 1, "KILLED"),
    "failed when it was resumed": (folder_with(1, stopped=True, failure=True), "failed", "running", 1, "FAILED"),
    "all rounds": (folder_with(3), "done", "done", 3, "FINISHED"),
    "all rounds and a failure": (folder_with(3, failure=True), "done", "done", 3, "FINISHED"),
    "all rounds and stopped": (folder_with(3, stopped=True), "done", "done", 3, "FINISHED"),
    "a damaged header": (folder_with(1, damaged="trial.json"), "damaged", "damaged", 0, None),
    "a damaged round": (folder_with(2, damaged="rounds/001.json"), "damaged", "damaged", 1, None),
    "a damaged failure": (folder_with(1, damaged="failure.json"), "damaged", "damaged", 0, None),
    "a damaged stop": (folder_with(1, damaged="stopped.json"), "damaged", "damaged", 0, None),
    "another trial": (folder_of_another_trial, "damaged", "damaged", 0, None),
}


@pytest.mark.parametrize("is_held", [False, True], ids=["free", "held"])
@pytest.mark.parametrize(("make", "free", "held", "rounds_done", "mlflow"), TABLE.values(), ids=TABLE)
def test_plan_status_report_and_mlflow_agree(
    tmp_path: Path,
    make: Callable[[Path], None],
    free: str,
    held: str,
    rounds_done: int,
    mlflow: str | None,
    is_held: bool,
):
    runs = tmp_path / "study"  # the only experiment of its folder
    runs.mkdir()
    note(runs, BASE)
    make(runs)
    directory = home(runs, BASE)
    if is_held:
        directory.mkdir(exist_ok=True)
    with locked(directory / "lock") if is_held else nullcontext():
        (shown,) = status.read(runs).trials
        planned = [plan(runs, early_stopping) for early_stopping in (False, True)]
        (setting,) = read(runs).settings
    (run,) = setting.runs
    assert (shown.state, shown.rounds_done) == (held if is_held else free, rounds_done)
    assert [(each.progress.state, each.rounds_done) for each in planned] == [(free, rounds_done)] * 2
    assert [each.done for each in planned] == [free == "done"] * 2
    assert [each.skipped for each in planned] == [False, free == "stopped_early"]
    assert (run.state, len(run.records)) == (free, 0 if free == "damaged" else rounds_done)
    assert run.reason == planned[0].progress.reason
    assert bool(run.reason) == (free in ("failed", "stopped_early", "damaged"))
    if mlflow:
        assert read_tracked_run(directory).status == mlflow
    else:
        with pytest.raises(LedgerError):
            read_tracked_run(directory)


def plan(runs: Path, early_stopping: bool) -> PlannedTrial:
    built = parts.build(BASE)
    store = PlannedStore(built.embedding, built, {"pool": 100}, ("a", "b"), "s", (), 0, ())
    environment = Environment(runs, runs, runs, "", None, early_stopping=early_stopping)
    return _planned_trial(built, store, environment, Owners.of(runs), 0)


def test_more_rounds_than_recorded_are_incomplete_and_fewer_are_done(tmp_path: Path):
    directory = record(tmp_path, BASE, 3)
    states = [trial_progress(directory, directory.name, rounds).state for rounds in (2, 3, 4)]
    assert states == [TrialState.DONE, TrialState.DONE, TrialState.INCOMPLETE]


def test_rounds_of_another_store_are_damaged_where_the_store_is_known(tmp_path: Path):
    directory = record(tmp_path, BASE, 3)
    assert trial_progress(directory, directory.name, 3, store="s").state is TrialState.DONE
    found = trial_progress(directory, directory.name, 3, store="t")
    assert (found.state, found.records) == (TrialState.DAMAGED, ())
    assert "was made from another store; delete it" in found.reason


BUDGETS = FineTune(budgets=(10, 20))


@pytest.mark.parametrize(
    ("records", "recipe", "failed", "damaged", "state"),
    [
        (None, BUDGETS, False, "", "planned"),
        (None, BUDGETS, True, "", "failed"),
        ((), BUDGETS, False, "", "incomplete"),
        ((10,), BUDGETS, False, "", "incomplete"),
        ((10,), BUDGETS, True, "", "failed"),
        ((10, 20), BUDGETS, False, "", "done"),
        ((10, 20, 30), BUDGETS, True, "", "done"),
        ((), FineTune(), False, "", "incomplete"),
        ((10,), FineTune(), False, "", "done"),
        ((10, 20), BUDGETS, False, "finetune.json", "damaged"),
        ((10, 20), BUDGETS, False, "000020.json", "damaged"),
        ((10, 20), BUDGETS, False, "failure.json", "damaged"),
    ],
)
def test_the_states_of_a_fine_tune(
    tmp_path: Path, records: tuple[int, ...] | None, recipe: FineTune, failed: bool, damaged: str, state: str
):
    trial = record(tmp_path, BASE, 3)
    directory = trial / "finetune" / ("f" * 16)
    if records is not None:
        ledger = FineTuneLedger.open(
            trial, FineTuneHeader(fingerprint=directory.name, trial=trial.name, recipe=recipe, store="s")
        )
        for labels in records:
            ledger.publish(labels, "rows", {}, {}, {})
    if failed:
        write_failure(directory, FAILURE)
    if damaged:
        (directory / damaged).write_text("{")
    found = finetune_progress(directory)
    assert found.state == state
    assert bool(found.reason) == (state in ("failed", "damaged"))
    if state != "damaged" and records is not None:
        assert read_tracked_run(directory).status == {"done": "FINISHED", "failed": "FAILED"}.get(state, "RUNNING")
        assert finetune_progress(directory, (10, 20, 30, 40)).state is not TrialState.DONE


def test_a_fine_tune_without_a_folder_is_planned(tmp_path: Path):
    assert finetune_progress(tmp_path / "none" / "finetune" / "f").state is TrialState.PLANNED

"""Early stopping ends exactly the trials that its rule names, on record, and a run without it finishes them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from labelbench_ray import report
from labelbench_ray.commands import status
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.stopped import STOPPED, read_stopped
from labelbench_ray.ledger.trials import Header, Ledger, read_history
from labelbench_ray.storage.locks import held
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from tests.full_trials import DIGITS, Ran
from tests.ray.conftest import CPUS

pytestmark = pytest.mark.ray
BASE = vary(DIGITS, rounds=5, budget=10)
CLEAN = grid(BASE, strategy=["random", "margin"], seed=[0, 1])
NOISY = grid(BASE, corrupter=[Part.of("uniform_noise", fraction=0.95)], seed=[0, 1])
TRIALS = [*CLEAN, *NOISY]
JUDGED_AFTER = 3


@pytest.fixture
def environment(environment: Environment, digits_store: Path) -> Environment:
    """One trial at a time, so that they come to be judged in the grid's order."""
    assert environment.cpus_per_trial == CPUS
    return replace(environment, store=digits_store)


def records(runs: Path, trial: Trial) -> Sequence[RoundRecord]:
    return read_history(runs / "tests.grid" / parts.build(trial).fingerprint).records


def numbers(records: Sequence[RoundRecord]) -> list[object]:
    return [(record.chosen, record.labels, record.metrics, record.proxy) for record in records]


def dominated(scores: Sequence[float]) -> list[int]:
    """The rule again: below the median of those before, each of which counts, stopped or not."""
    return [number for number in range(1, len(scores)) if scores[number] < median(scores[:number])]


def test_dominated_trials_stop_and_a_run_without_early_stopping_finishes_them(
    run_trials: Callable[..., Ran], environment: Environment, tmp_path: Path
) -> None:
    ran = run_trials(TRIALS, early_stopping=True)
    assert ran.status == 0
    whole = [never_stopped(trial, environment.store, tmp_path) for trial in TRIALS]
    expected = dominated([each[JUDGED_AFTER - 1].metrics["Validation Accuracy"] for each in whole])
    assert {4, 5} <= set(expected) < set(range(6))
    assert f"{6 - len(expected)} trials done, 0 failed, 0 not finished, {len(expected)} stopped early" in ran.printed
    check_ledger(environment.runs, expected, whole)
    check_reported(environment.runs / "tests.grid", expected)

    again = run_trials(TRIALS, early_stopping=True)
    assert (again.status, "nothing to run" in again.printed) == (0, True)
    check_ledger(environment.runs, expected, whole)

    finished = run_trials(TRIALS)
    assert finished.status == 0
    assert f"{len(expected)} trials done, 0 failed, 0 not finished; {6 - len(expected)} were done" in finished.printed
    assert [numbers(records(environment.runs, trial)) for trial in TRIALS] == [numbers(each) for each in whole]
    assert not list(environment.runs.glob(f"*/*/{STOPPED}"))


def never_stopped(trial: Trial, store: Path, folder: Path) -> list[RoundRecord]:
    """The plain loop's rounds."""
    built = parts.build(trial)
    embedded = EmbeddingStore.open(store / built.embedding).arrays()
    header = Header(fingerprint=built.fingerprint, trial=trial, store="s", compute="c", versions={})
    with Ledger.open(folder / "plain" / built.fingerprint, header) as ledger:
        return list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())


def check_ledger(runs: Path, expected: list[int], whole: list[Sequence[RoundRecord]]) -> None:
    for number, trial in enumerate(TRIALS):
        folder = runs / "tests.grid" / parts.build(trial).fingerprint
        stopped, done = read_stopped(folder), 5
        assert (stopped is not None) == (number in expected)
        if stopped:
            assert (stopped.rounds_done, stopped.rounds) == (JUDGED_AFTER, 5)
            done = JUDGED_AFTER
        assert numbers(records(runs, trial)) == numbers(whole[number][:done])
        assert not held(folder / "lock")


def check_reported(folder: Path, expected: list[int]) -> None:
    ended = {parts.build(TRIALS[number]).fingerprint for number in expected}
    reported = {trial.fingerprint for trial in status.read(folder).trials if trial.state is TrialState.STOPPED_EARLY}
    assert reported == ended
    runs = [run for section in report.build(folder).sections for run in section.setting.runs]
    assert {run.fingerprint for run in runs if run.state is TrialState.STOPPED_EARLY} == ended
    cautions = [caution.title for section in report.build(folder).sections for caution in section.cautions]
    assert "Early stopping was on" in cautions

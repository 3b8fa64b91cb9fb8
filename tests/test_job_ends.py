"""How a job in a worker ends: `sys.exit` of a plug-in fails its trial alone, also where Tune itself ends trials so."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labelbench_ray.cluster import judged_trials
from labelbench_ray.cluster.job_steps import Attempt, EndedByTune, run_job
from labelbench_ray.cluster.judged_trials import REPORT, run_trial
from labelbench_ray.cluster.limits import Limits
from labelbench_ray.cluster.reports import Done, Failed
from labelbench_ray.config import Trial
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.trial.processes import ONE_PROCESS, Processes

ATTEMPT = Attempt(Limits(), "sweep")
TRIAL = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=2, budget=1)


@dataclass(frozen=True)
class Steps:
    """A job whose steps are given."""

    directory: Path
    run: Callable[[], Iterator[int]]
    trial: Trial = TRIAL
    processes: Processes = ONE_PROCESS

    def steps(self) -> Iterator[int]:
        return self.run()


def leaving() -> Iterator[int]:
    yield 1
    sys.exit("enough")


def judged(job: Steps, report: Callable[[dict[str, Any]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it as a Tune trial, which reports a score after each round."""
    monkeypatch.setattr(judged_trials.tune, "report", report)
    monkeypatch.setattr(judged_trials, "results", lambda rule, directory, reported, rounds: [{"rounds": rounds}])
    run_trial({"job": job, "attempt": ATTEMPT, "rule": EarlyStoppingRule(2, "Validation Accuracy")})


def check_left(end: object) -> None:
    assert isinstance(end, Failed)
    assert end.error.endswith("SystemExit: enough")
    assert "in leaving" in end.traceback


def test_sys_exit_in_a_plug_in_fails_the_job(tmp_path: Path) -> None:
    check_left(run_job(Steps(tmp_path, leaving), ATTEMPT, print, lambda rounds: True))


def test_sys_exit_in_a_plug_in_fails_the_trial_where_tune_judges_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[dict[str, Any]] = []
    judged(Steps(tmp_path, leaving), reports.append, monkeypatch)
    assert reports[0] == {"rounds": 1}
    check_left(reports[1][REPORT])
    assert len(reports) == 2


def test_tune_ends_a_trial_within_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freed, reports = [], list[dict[str, Any]]()

    def steps() -> Iterator[int]:
        try:
            yield 1
        finally:
            freed.append("the ledger")

    def ended(result: dict[str, Any]) -> None:
        reports.append(result)
        sys.exit(0)

    with pytest.raises(EndedByTune) as raised:
        judged(Steps(tmp_path, steps), ended, monkeypatch)
    assert raised.value.code == 0, "Tune's thread takes another code for an error"
    assert (reports, freed) == ([{"rounds": 1}], ["the ledger"])


def test_a_job_that_comes_to_its_end_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[dict[str, Any]] = []
    judged(Steps(tmp_path, lambda: iter([1, 2])), reports.append, monkeypatch)
    assert reports[-1] == {REPORT: Done()}

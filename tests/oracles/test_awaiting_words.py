"""What people read of a trial that waits for labels: in plans, status, the report, MLflow and the event log."""

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray import report
from labelbench_ray.api import plan_words
from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.run_plan import note_grid, nothing_to_run, run_plan
from labelbench_ray.commands import status
from labelbench_ray.config import vary
from labelbench_ray.console.events import Event
from labelbench_ray.console.progress import Meter
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan, planned_early_stopping, waiting_now
from labelbench_ray.tracking.runs import read_tracked_run
from tests.full_trials import Home
from tests.oracles.campaigns import TRIAL, Campaign, make_campaign, untimed, write_pool


def planned(campaign: Campaign, *others: Campaign) -> Plan:
    trials = tuple(each.trial for each in (campaign, *others))
    return plan(Experiment("tests.grid", trials), campaign.home.environment)


def test_a_waiting_trial_is_called_that_everywhere(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    other = campaign.with_strategy("random")
    note_grid(planned(campaign, other))
    for each in (campaign, other):
        each.step()
    campaign.answer("first.csv", {campaign.batch()[0]["row_id"]: "yes", "nobody": "no"})
    found = planned(campaign, other)
    assert nothing_to_run(found) == "0 of 2 trials are done, 2 awaiting labels; nothing to run"
    words = "\n".join(plan_words.describe(found))
    assert "2 trials, 0 done, 2 awaiting labels, 0 to run, which buy 0 labels" in words
    batch = campaign.directory / "batch.csv"
    assert f"margin, seed 0: round 0 awaits 4 of 5 labels (1 are there): {batch}; label its rows" in words
    assert "  refused: answers/first.csv, row 3: row 'nobody' was not asked for" in words
    assert [each.parts.trial for each in waiting_now(found)] == [campaign.trial, other.trial]
    read = status.read(campaign.home.folder)
    assert [trial.state for trial in read.trials] == [TrialState.AWAITING_LABELS] * 2
    assert read.trials[0].reason == "round 0 asks for 5 labels: batch.csv in its folder"
    assert "2 awaiting labels" in status.summary(read)
    assert read_tracked_run(campaign.directory).status == "SCHEDULED"


def test_a_report_without_test_labels_claims_no_accuracy_and_states_why(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    note_grid(planned(campaign))
    campaign.step()
    campaign.answer()
    campaign.step()
    built = report.build(campaign.home.folder)
    (section,) = built.sections
    assert section.verdict.headline == "No accuracy is measured."
    assert "no test rows with labels" in section.verdict.detail
    assert "5 labels are recorded" in section.verdict.detail
    (trouble,) = built.troubles
    assert trouble.state is TrialState.AWAITING_LABELS
    page = report.page(built)
    text = io.StringIO()
    Console(file=text, width=200).print(report.render(built))
    for shown in (page, text.getvalue()):
        assert "No accuracy is measured." in shown
        assert "awaiting labels" in shown
        assert "Test Accuracy" not in shown
    found = document(built)
    assert (found["savings"], found["settings"][0]["recipe"]["oracle"]) == ([], "files")


def test_a_sweep_counts_a_trial_that_waits_as_ended(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    campaign.step()
    campaign.answer()
    words = campaign.step()
    job, events = campaign.home.job(campaign.trial), []

    class Log:
        def log(self, event: Event, **fields) -> None:
            events.append((event, fields))

    class Mirror:
        submitted: list[Path] = []

        def submit(self, path: Path) -> None:
            self.submitted.append(path)

    console = Console(file=io.StringIO())
    monitor = SweepMonitor(Meter(console, None, None), Mirror(), "rounds", {job.directory: 3}, {}, events=Log())
    monitor.on_started(job)
    monitor.on_awaiting(job, 1, words)
    assert monitor.awaiting == monitor.ended == {job.directory}
    assert monitor.done == monitor.failed == set()
    assert Mirror.submitted == [job.directory]
    assert [event for event, _ in events] == [Event.TRIAL_STARTED, Event.ROUND_RECORDED, Event.TRIAL_AWAITING_LABELS]
    assert events[-1][1]["reason"] == words


def test_early_stopping_is_refused_by_name(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    environment = replace(campaign.home.environment, early_stopping=True)
    found = plan(Experiment("tests.grid", (campaign.trial,)), environment)
    with pytest.raises(ConfigError, match="and the oracle files answers between runs; leave out --early-stopping"):
        planned_early_stopping(found, environment)


CHILD = """
import os, signal, sys
from itertools import count
from pathlib import Path

from labelbench_ray.config import vary
from tests.full_trials import make_home
from tests.oracles.campaigns import TRIAL, Campaign

folder, writes = Path(sys.argv[1]), int(sys.argv[2])
renamed, left = Path.replace, count(writes, -1)

def replace(path, target):
    if next(left) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return renamed(path, target)

Path.replace = replace
Campaign(make_home(folder, folder / "store"), vary(TRIAL, rounds=2)).finish()
"""


def test_a_process_that_is_killed_leaves_the_ledger_of_one_that_is_not(tmp_path):
    campaign = Campaign(make_campaign(tmp_path), vary(TRIAL, rounds=2))

    def finish(writes: int) -> int:
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(writes)]
        return subprocess.run(
            command, timeout=300, cwd=os.getcwd(), env=os.environ | {"PYTHONPATH": ":".join(sys.path)}
        ).returncode

    assert finish(9) == -signal.SIGKILL
    assert len(campaign.records) < 2
    assert finish(10_000) == 0
    killed = untimed(campaign.records)
    assert len(killed) == 2
    campaign.home.folder.rename(tmp_path / "killed")
    assert untimed(campaign.finish()) == killed


def test_commands_without_ray_carry_a_campaign_from_the_first_batch_to_the_last(tmp_path):
    write_pool(tmp_path, test=True)
    here = tmp_path / "here"
    environment = Environment(
        runs=here / "runs",
        store=here / "store",
        data_root=tmp_path,
        tracking_uri=f"sqlite:///{here / 'mlflow.db'}",
        address=None,
        executor="local",
    )
    campaign = Campaign(Home(environment), vary(TRIAL, rounds=1))

    def command() -> str:
        console = Console(file=io.StringIO(), width=300)
        found = plan(Experiment("tests.grid", (campaign.trial,)), environment)
        assert run_plan(found, environment, console) == 0
        return console.file.getvalue()

    printed = command()
    assert "0 trials done, 0 failed, 0 not finished, 1 awaiting labels; 0 were done before" in printed
    assert "margin, seed 0: round 0 awaits 5 of 5 labels" in printed
    assert "0 of 1 trials are done, 1 awaiting labels; nothing to run" in command()
    campaign.answer()
    assert "1 trials done, 0 failed, 0 not finished; 0 were done before" in command()
    assert len(campaign.records) == 1

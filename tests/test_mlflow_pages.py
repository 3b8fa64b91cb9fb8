"""What people see in MLflow: the parent's verdict, charts in sections, and strategies compared within three clicks."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow.entities import Experiment, Metric, Run
from mlflow.tracking import MlflowClient

from labelbench_ray.commands.cli import app
from labelbench_ray.config import Trial, grid
from labelbench_ray.costs import Cost
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.tracking.chart_view import NAME, link
from labelbench_ray.tracking.experiments import experiment_ids
from labelbench_ray.tracking.mlflow_address import show_command, sqlite_uri
from labelbench_ray.tracking.runs import LAYOUT, tracked_name
from labelbench_ray.tracking.server import serving
from labelbench_ray.trial import parts

CHROMIUM = shutil.which("chromium")
EXPERIMENT = "study.study"
BASE = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=3, budget=10)
GAIN = {"random": 0.0, "margin": 0.1}
CLICKS = 3
SECONDS = 90.0
ENDING_SECONDS = 20.0
"""A few on idle cores: the server gets three to end in order."""


def record(folder: Path, trial: Trial) -> Entry:
    """A trial whose accuracy rises, faster for margin."""
    name = parts.build(trial).fingerprint
    header = Header(fingerprint=name, trial=trial, store="s" * 40, compute="c", versions={"commit": "abc1234"})
    with Ledger.open(folder / name, header) as ledger:
        for number in range(trial.rounds):
            chosen = np.arange(trial.budget) + trial.budget * number
            accuracy = 0.5 + number / 10 + GAIN[trial.strategy.name] + trial.seed / 1000
            metrics = {f"{split} Accuracy": accuracy for split in ("Test", "Pool", "Balanced Test", "Labeling")}
            metrics["Test Log Loss"] = 1.0
            spent = {"fit": Cost(wall=1.0)}
            ledger.publish(number, chosen, chosen % 10, 10 * (number + 1), metrics, spent, {"b": np.zeros(2)})
    return Entry(fingerprint=name, trial=trial)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment of two strategies, mirrored."""
    folder = tmp_path_factory.mktemp("runs")
    trials = grid(BASE, strategy=["random", "margin"], seed=range(4))
    entries = tuple(record(folder / EXPERIMENT, trial) for trial in trials)
    write_grid(folder / EXPERIMENT, Grid(experiment=EXPERIMENT, entries=entries))
    (folder / EXPERIMENT / "report.html").write_text("<html>")
    assert CliRunner().invoke(app, ["sync", str(folder)], standalone_mode=False).return_value == 0
    return folder


@pytest.fixture
def client(runs: Path) -> MlflowClient:
    return MlflowClient(sqlite_uri(runs / "mlflow.db"))


def experiment(client: MlflowClient) -> Experiment:
    found = client.get_experiment_by_name(EXPERIMENT)
    assert found is not None
    return found


def all_runs(client: MlflowClient) -> list[Run]:
    return list(client.search_runs([experiment(client).experiment_id]))


def test_the_parent_states_the_verdict_what_is_saved_the_data_and_the_source(client: MlflowClient) -> None:
    (parent,) = [run for run in all_runs(client) if "mlflow.parentRunId" not in run.data.tags]
    assert parent.data.tags["mlflow.note.content"].startswith("**Use margin.** ")
    assert parent.data.tags["mlflow.source.name"] == EXPERIMENT
    assert parent.data.tags["mlflow.source.git.commit"] == "abc1234"
    assert parent.data.metrics["Verdict/margin gain in points"] == pytest.approx(10)
    assert parent.data.metrics["Verdict/margin p"] < 0.05
    assert parent.data.metrics["Verdict/margin labels saved"] > 0
    (data,) = parent.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "s" * 16)
    assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "pool")]


def test_what_is_compared_is_in_the_first_section_of_charts(client: MlflowClient) -> None:
    names = {name for run in all_runs(client) for name in run.data.metrics if not name.startswith("Verdict/")}
    sections = sorted({name.partition("/")[0] for name in names})  # as MLflow sorts them
    assert sections == ["Main", "More", "Seconds"]
    assert {name for name in names if name.startswith("Main/")} == {
        "Main/Test Accuracy",
        "Main/Pool Accuracy",
        "Main/Balanced Test Accuracy",
    }
    assert tracked_name("Test Macro F1", ("Test Macro F1", "Test Accuracy")) == "Main/Test Macro F1"


def test_experiments_open_in_the_view_of_model_training(client: MlflowClient) -> None:
    tags = experiment(client).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert f"mlflow.sharedViewState.{NAME}" in tags
    assert f"viewStateShareKey={NAME}" in tags["mlflow.note.content"]


def test_a_note_of_the_user_s_stays(runs: Path, client: MlflowClient) -> None:
    before = experiment(client)
    client.set_experiment_tag(before.experiment_id, "mlflow.note.content", "mine")
    try:
        assert CliRunner().invoke(app, ["sync", str(runs)], standalone_mode=False).return_value == 0
        assert experiment(client).tags["mlflow.note.content"] == "mine"
    finally:
        client.set_experiment_tag(before.experiment_id, "mlflow.note.content", before.tags["mlflow.note.content"])


def test_runs_with_metrics_of_the_first_names_are_written_anew(runs: Path, client: MlflowClient) -> None:
    old = next(run for run in all_runs(client) if "mlflow.parentRunId" in run.data.tags)
    client.delete_tag(old.info.run_id, next(iter(LAYOUT)))
    client.log_batch(old.info.run_id, [Metric("Test Accuracy", 0.5, 1, 10)])
    done = CliRunner().invoke(app, ["sync", str(runs)], standalone_mode=False)
    assert "1 replaced" in done.output
    assert client.get_run(old.info.run_id).info.lifecycle_stage == "deleted"
    assert not [run for run in all_runs(client) if "Test Accuracy" in run.data.metrics]


def test_a_folder_without_an_mlflow_database_is_refused(runs: Path, tmp_path: Path) -> None:
    command = ["mlflow", str(runs), "--tracking-uri", sqlite_uri(tmp_path / "m.db")]
    with pytest.raises(ConfigError, match="no MLflow database"):
        CliRunner().invoke(app, command, standalone_mode=False, catch_exceptions=False)


def test_an_experiment_that_mlflow_lacks_does_not_hide_the_others(runs: Path, tmp_path: Path) -> None:
    other = tmp_path / "study.other"
    write_grid(other, Grid(experiment="study.other", entries=()))
    ids, lacking = experiment_ids(sqlite_uri(runs / "mlflow.db"), [other, runs / EXPERIMENT])
    assert list(ids) == [EXPERIMENT]
    assert lacking == [f"MLflow does not have the experiment 'study.other'; `labelbench sync {other}` writes it"]
    with pytest.raises(ConfigError, match=r"does not have the experiment 'study\.other'"):
        experiment_ids(sqlite_uri(runs / "mlflow.db"), [other])


def test_the_pages_of_a_server_that_runs_already_are_printed(
    runs: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelbench_ray.tracking.experiments.connect", lambda uri: client)
    words = ["mlflow", str(runs), "--tracking-uri", "http://127.0.0.1:5000/", "--no-open"]
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert done.return_value == 0
    assert link("http://127.0.0.1:5000", experiment(client).experiment_id) in done.output


def test_a_port_that_is_taken_is_refused(runs: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(ConfigError, match="--port"),
            serving(sqlite_uri(runs / "mlflow.db"), taken.getsockname()[1]),
        ):
            pass


def test_run_ends_with_the_command_that_shows_it(tmp_path: Path) -> None:
    runs = tmp_path / "a b"
    assert show_command(runs, sqlite_uri(runs / "mlflow.db")) == f"labelbench mlflow '{runs}'"
    shown = show_command(runs, "http://me:secret@host")
    assert shown.endswith("--tracking-uri 'http://***@host'")


@pytest.fixture(scope="module")
def page_address(runs: Path) -> Iterator[str]:
    """The page that `labelbench mlflow` prints; at the end it is interrupted, as by Ctrl-C."""
    words = [sys.executable, "-m", "labelbench_ray", "mlflow", str(runs), "--no-open"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(f"{EXPERIMENT}: http://127.0.0.1:"), line + process.stdout.read()
    yield line.split()[1]
    group = children_of(process.pid)
    assert group
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 0
    assert "Traceback" not in process.stdout.read()
    assert time.monotonic() - start < ENDING_SECONDS
    assert not [pid for pid in group if Path(f"/proc/{pid}").exists()]


def children_of(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(inner for each in found for inner in children_of(each))]


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")
def test_strategies_are_compared_three_clicks_from_mlflow_s_first_page(page_address: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(1000 * SECONDS)
        page.goto(page_address.partition("#")[0])
        clicks = [
            page.get_by_text("Model training", exact=True).first,
            page.get_by_role("link", name=EXPERIMENT).first,
            page.get_by_role("link", name="Compare the strategies").first,
        ]
        assert len(clicks) <= CLICKS
        for each in clicks[:-1]:
            each.click()
        with page.expect_popup() as opened:
            clicks[-1].click()
        check_compared(opened.value)
        page.goto(page_address)  # what `labelbench mlflow` opens needs no click
        check_compared(page)
        browser.close()


def check_compared(page) -> None:
    """The page shows curves of each strategy, of test accuracy first."""
    for strategy in GAIN:
        page.get_by_text(f"Group: {strategy}").first.wait_for()
    cards = page.get_by_text("Main/", exact=False)
    cards.first.wait_for()
    assert cards.first.inner_text().strip() == "Main/Test Accuracy"
    page.locator(".js-plotly-plot").first.wait_for()
    folder = os.environ.get("LABELBENCH_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(4000)
        page.screenshot(path=f"{folder}/mlflow.png")

"""`labelbench sync` makes MLflow equal to the ledgers: in sqlite, and on a server with PostgreSQL and S3."""

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from rich.console import Console

from labelbench_ray.commands.cli import app
from labelbench_ray.config import vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import experiment_folders, write_grid
from labelbench_ray.ledger.records import Grid
from labelbench_ray.tracking import sync
from labelbench_ray.tracking.mlflow_runs import MlflowRuns
from labelbench_ray.tracking.mlflow_sqlite import prepare_sqlite
from labelbench_ray.tracking.runs import parameters, read_tracked_run
from tests.servers.mlflow_server import S3, client_of, mlflow_server, postgres, postgres_programs, s3
from tests.test_tracking import EXPERIMENT, FAILURE, TRIAL, TUNED, expected, histories, record, text, tune


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with MLflow's schema, made once: that takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    prepare_sqlite(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, whole: Path) -> Path:
    """Where an experiment's ledgers lie, beside an empty MLflow."""
    shutil.copy(whole, tmp_path / "mlflow.db")
    write_grid(tmp_path / EXPERIMENT, Grid(experiment=EXPERIMENT, entries=()))
    return tmp_path


@dataclass(frozen=True)
class Synced:
    """What a sync returned and printed."""

    status: int
    printed: str


def uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def synced(folder: Path, address: str = "") -> Synced:
    console = Console(file=io.StringIO(), width=200)
    status = sync.sync(experiment_folders(folder), address or uri(folder), console)
    return Synced(status, console.file.getvalue())


def said(created: int = 0, completed: int = 0, replaced: int = 0, metrics: int = 0, runs: int = 1) -> Synced:
    text = f"{runs} runs: {created} created, {completed} completed, {replaced} replaced; {metrics} metrics written"
    return Synced(0, f"{EXPERIMENT}: {text}\n")


def runs_at(address: str) -> dict[str, list]:
    """The active runs by fingerprint; the parents below "parent"."""
    client = MlflowClient(address)
    found: dict[str, list] = {}
    for run in client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id]):
        found.setdefault(run.data.tags.get("labelbench.fingerprint", "parent"), []).append(run)
    return found


def only(folder: Path, directory: Path):
    (run,) = runs_at(uri(folder))[directory.name]
    return run


def dump(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return list(connection.iterdump())


METRICS = 2 * 3  # two rounds of two metrics and the seconds of one stage


def test_a_store_that_is_empty_gets_everything_and_a_second_sync_changes_nothing(folder):
    done, failed = record(folder), record(folder, vary(TRIAL, seed=4), rounds=1, failure=FAILURE)
    tuned = record(folder, TUNED)
    tuning = tune(tuned, 2, 4)
    (folder / EXPERIMENT / "report.html").write_text("<html>")
    assert synced(folder) == said(created=4, metrics=2 * METRICS + METRICS // 2 + 4, runs=4)
    found = runs_at(uri(folder))
    (parent,) = found["parent"]
    assert set(found) == {"parent", done.name, failed.name, tuned.name, f"{tuned.name}/{tuning.name}"}
    assert {name: [run.info.status for run in runs] for name, runs in found.items()} == {
        "parent": ["FINISHED"],
        done.name: ["FINISHED"],
        failed.name: ["FAILED"],
        tuned.name: ["FINISHED"],
        f"{tuned.name}/{tuning.name}": ["FINISHED"],
    }
    for directory in (done, failed, tuned):
        assert histories(folder, only(folder, directory)) == expected(directory)
    assert text(folder, parent, "report.html") == "<html>"
    assert text(folder, only(folder, failed), "traceback.txt") == FAILURE.traceback
    before = dump(folder)
    assert synced(folder / EXPERIMENT, uri(folder)) == said(runs=4)
    assert dump(folder) == before


def without_a_metric(folder: Path, directory: Path) -> int:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        gone = connection.execute("DELETE FROM metrics WHERE step = 2 AND key = 'Main/Test Accuracy'").rowcount
        connection.commit()
    return gone


def without_any_of_a_name(folder: Path, directory: Path) -> int:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        for table in ("latest_metrics", "metrics"):
            gone = connection.execute(f"DELETE FROM {table} WHERE key = 'Main/Pool Accuracy'").rowcount
        connection.commit()
    return gone


def without_a_parameter(folder: Path, directory: Path) -> int:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("DELETE FROM params WHERE key = 'strategy'")
        connection.commit()
    return 0


def without_a_tag(folder: Path, directory: Path) -> int:
    MlflowClient(uri(folder)).delete_tag(only(folder, directory).info.run_id, "rounds")
    return 0


def not_ended(folder: Path, directory: Path) -> int:
    MlflowClient(uri(folder)).update_run(only(folder, directory).info.run_id, status="RUNNING")
    return 0


def without_the_table(folder: Path, directory: Path) -> int:
    (next((folder / "mlartifacts").rglob("chosen.csv"))).unlink()
    return 0


@pytest.mark.parametrize(
    "damage",
    [without_a_metric, without_any_of_a_name, without_a_parameter, without_a_tag, not_ended, without_the_table],
)
def test_what_a_run_lacks_is_written_and_nothing_else(folder, damage):
    directory = record(folder)
    synced(folder)
    run = only(folder, directory)
    gone = damage(folder, directory)
    assert synced(folder) == said(completed=1, metrics=gone)
    assert histories(folder, only(folder, directory)) == expected(directory)
    repaired = only(folder, directory)
    assert (repaired.info.run_id, repaired.info.status, repaired.data.tags) == (
        run.info.run_id,
        "FINISHED",
        run.data.tags,
    )
    assert repaired.data.params == parameters(TRIAL)
    assert "chosen.csv" in {file.path for file in MlflowClient(uri(folder)).list_artifacts(run.info.run_id)}
    assert synced(folder) == said()


@pytest.mark.parametrize("value", [0.5, 0.75], ids=["doubled", "of another value"])
def test_a_run_that_says_what_its_ledger_does_not_is_deleted_and_written_anew(folder, value: float):
    directory = record(folder)
    synced(folder)
    run = only(folder, directory)
    MlflowClient(uri(folder)).log_batch(run.info.run_id, [Metric("Main/Test Accuracy", value, 1, 2)])
    assert synced(folder) == said(replaced=1, metrics=METRICS)
    assert only(folder, directory).info.run_id != run.info.run_id
    assert histories(folder, only(folder, directory)) == expected(directory)
    assert MlflowClient(uri(folder)).get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    assert synced(folder) == said()


def test_of_two_runs_of_a_trial_one_stays(folder):
    directory = record(folder)
    synced(folder)
    run = only(folder, directory)
    tags = {name: run.data.tags[name] for name in ("mlflow.parentRunId", "labelbench.fingerprint")}
    MlflowClient(uri(folder)).create_run(run.info.experiment_id, tags=tags)
    assert synced(folder) == said(replaced=1)
    assert histories(folder, only(folder, directory)) == expected(directory)


def test_somebody_elses_metrics_are_left_alone(folder):
    directory = record(folder)
    synced(folder)
    MlflowClient(uri(folder)).log_metric(only(folder, directory).info.run_id, "my own", 1.0)
    assert synced(folder) == said()


def test_an_older_record_whose_file_was_copied_is_not_written_twice(folder):
    directory = record(folder, rounds=1)
    path = directory / "rounds" / "000.json"
    synced(folder)
    rows = histories(folder, only(folder, directory))
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("UPDATE metrics SET timestamp = timestamp - 86400000")
        connection.commit()
    assert synced(folder) == said()
    assert len(histories(folder, only(folder, directory))) == len(rows)
    assert json.loads(path.read_text())["finished"] == rows["Main/Test Accuracy"][0][2]


def test_a_report_that_changed_is_written_again(folder):
    page = folder / EXPERIMENT / "report.html"
    for content in ("<html>1", "<html>2"):
        page.write_text(content)
        assert synced(folder) == said(runs=0)
    assert text(folder, runs_at(uri(folder))["parent"][0], "report.html") == "<html>2"


def test_a_damaged_ledger_is_reported_and_the_others_are_written(folder):
    damaged, other = (record(folder, vary(TRIAL, seed=seed)) for seed in range(2))
    (damaged / "rounds" / "001.json").write_bytes(b"{")
    found = synced(folder)
    assert found.status == 1
    assert "001.json" in found.printed
    assert set(runs_at(uri(folder))) == {"parent", other.name}


def test_a_server_that_is_down_is_reported_without_its_password(folder):
    record(folder)
    line = ["sync", str(folder), "--tracking-uri", "http://user:s3cret@127.0.0.1:9"]
    result = CliRunner().invoke(app, line, standalone_mode=False)
    assert "refused" in result.output
    assert "http://***@127.0.0.1:9" in result.output
    assert "s3cret" not in result.output
    assert result.return_value == 1


def test_a_folder_without_an_experiment_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no experiment"):
        experiment_folders(tmp_path)


@dataclass(frozen=True)
class Server:
    """An MLflow server and where it keeps its artifacts."""

    uri: str
    artifacts: S3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MLflow's server with PostgreSQL and S3; of these, clients know its address only."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed (Debian: apt-get install postgresql)")
    log = tmp_path_factory.mktemp("server") / "log"
    with (
        s3() as bucket,
        postgres(programs) as database,
        mlflow_server(database, f"s3://{bucket.bucket}/mlflow", log, **bucket.environment) as running,
    ):
        yield Server(running.uri, bucket)


def history_at(address: str, run, name: str) -> list[tuple[int, float, int]]:
    client = MlflowClient(address)
    return [(point.step, point.value, point.timestamp) for point in client.get_metric_history(run.info.run_id, name)]


def test_a_server_with_postgres_and_s3_says_what_the_ledger_says_exactly_once(server, folder, monkeypatch):
    for name in server.artifacts.environment:
        monkeypatch.delenv(name, raising=False)
    directory, failed = record(folder), record(folder, vary(TRIAL, seed=4), rounds=1, failure=FAILURE)
    (folder / EXPERIMENT / "report.html").write_text("<html>")
    assert synced(folder, server.uri) == said(created=2, metrics=METRICS + METRICS // 2, runs=2)
    assert synced(folder, server.uri) == said(runs=2)

    found = runs_at(server.uri)
    (run,), (parent,) = found[directory.name], found["parent"]
    assert (run.info.status, found[failed.name][0].info.status) == ("FINISHED", "FAILED")
    assert run.data.params == parameters(TRIAL)
    stored = client_of(server.artifacts).list_objects_v2(Bucket=server.artifacts.bucket)["Contents"]
    assert {Path(each["Key"]).name for each in stored} == {"chosen.csv", "report.html", "traceback.txt"}
    assert all(each["Key"].startswith("mlflow/") for each in stored)
    assert parent.info.artifact_uri.startswith("mlflow-artifacts:")

    # A write that was cut, or whose answer was lost, and is done again.
    book = MlflowRuns(MlflowClient(server.uri), MlflowClient(server.uri).get_experiment_by_name(EXPERIMENT))
    tracked = read_tracked_run(directory)
    for measured in (tracked.measured[:1], tracked.measured, tracked.measured):
        book.log_batch(run.info.run_id, measured, tracked.parameters, {})
    for name, points in expected(directory).items():
        assert history_at(server.uri, run, name) == points
    assert synced(folder, server.uri) == said(runs=2)

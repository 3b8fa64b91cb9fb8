"""MLflow holds what the ledgers say, once, and whatever happens to it stays there."""

import json
import shutil
import socket
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Metric, Run
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import IntegrityError

from labelbench_ray.config import FineTune, Part, Trial, vary
from labelbench_ray.costs import Cost
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger
from labelbench_ray.ledger.trials import Failure, Header, Ledger, read_history, write_failure
from labelbench_ray.tracking import mirror as mirrors
from labelbench_ray.tracking import mlflow_inserts, mlflow_runs, mlflow_sqlite
from labelbench_ray.tracking.mlflow_mirror import begin_connecting, mlflow_mirror
from labelbench_ray.tracking.mlflow_runs import MlflowRuns, is_outage, open_mlflow_runs
from labelbench_ray.tracking.mlflow_sqlite import prepare_sqlite
from labelbench_ray.tracking.runs import TrackedRun, chosen_table, parameters, read_tracked_run
from labelbench_ray.trial import parts

EXPERIMENT = "study.study"
TRIAL = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=3, rounds=2, budget=2)
FAILURE = Failure(error="OSError: disk full", traceback="Traceback ...\nOSError: disk full")
SECTIONS = dict.fromkeys(["Test Accuracy", "Pool Accuracy", "Balanced Test Accuracy"], "Main")
GARBAGE = b"this is no database" * 400

Histories = dict[str, list[tuple[int, float, int]]]
"""Of each metric: (step, value, timestamp)."""


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
    return tmp_path


@pytest.fixture
def by_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is written by MLflow's client, as on a server."""
    monkeypatch.setattr(mlflow_runs, "sqlite_engine", lambda client: None)


def uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def mirror(folder: Path, *entries: Path) -> str:
    """Have the entries written by a new mirror; returns what is wrong."""
    writing = mlflow_mirror(uri(folder), EXPERIMENT, folder / "artifacts")
    for entry in entries:
        writing.submit(entry)
    return writing.finish(60)


def record(
    folder: Path,
    trial: Trial = TRIAL,
    rounds: int | None = None,
    failure: Failure | None = None,
    metrics: dict[str, float] | None = None,
) -> Path:
    """A trial's folder with this many rounds, or all; those that are there stay."""
    name = parts.build(trial).fingerprint
    directory = folder / EXPERIMENT / name
    header = Header(fingerprint=name, trial=trial, store="s", compute="c", versions={})
    with Ledger.open(directory, header) as ledger:
        for number in range(len(ledger.records()), trial.rounds if rounds is None else rounds):
            chosen = np.array([10 * number + 7, 10 * number])
            measured = {"Test Accuracy": 0.5 + number / 8, "Pool Accuracy": 0.25} if metrics is None else metrics
            ledger.publish(
                number, chosen, chosen % 3, 2 * number + 2, measured, {"fit": Cost(0.5, 1.0)}, {"b": np.zeros(2)}
            )
        if failure:
            write_failure(ledger.directory, failure)
    return directory


def runs(folder: Path) -> tuple[list[Run], list[Run]]:
    """The parents and the children that are in MLflow."""
    client = MlflowClient(uri(folder))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def only_child(folder: Path) -> Run:
    (_,), (child,) = runs(folder)
    return child


def histories(folder: Path, run: Run) -> Histories:
    client = MlflowClient(uri(folder))
    return {
        name: [(point.step, point.value, point.timestamp) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def expected(directory: Path) -> Histories:
    """The histories that a ledger's records make."""
    found: Histories = {}
    for each in read_history(directory).records:
        written = each.finished
        seconds = {f"Seconds/{stage}": value for stage, value in each.seconds.items()}
        metrics = {f"{SECTIONS.get(name, 'More')}/{name}": value for name, value in each.metrics.items()}
        for name, value in {**metrics, **seconds}.items():
            found.setdefault(name, []).append((each.num_labeled, value, written))
    return found


def text(folder: Path, run: Run, artifact: str) -> str:
    return Path(MlflowClient(uri(folder)).download_artifacts(run.info.run_id, artifact)).read_text()


def test_a_trial_becomes_a_child_run_that_says_what_its_ledger_says(folder):
    directory = record(folder)
    assert mirror(folder, directory) == ""
    (parent,), (child,) = runs(folder)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["labelbench.fingerprint"] == directory.name
    assert child.data.tags["rounds"] == "2"
    assert child.data.params == parameters(TRIAL)
    assert histories(folder, child) == expected(directory)
    assert histories(folder, child)["Main/Test Accuracy"][1][:2] == (4, 0.625)
    assert text(folder, child, "chosen.csv") == chosen_table(read_history(directory))
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")


def test_each_trial_is_one_child_of_the_same_parent(folder):
    directories = [record(folder, vary(TRIAL, seed=seed)) for seed in range(3)]
    assert mirror(folder, *directories[:2]) == ""
    assert mirror(folder, *directories) == ""
    (parent,), children = runs(folder)
    assert {child.data.tags["labelbench.fingerprint"] for child in children} == {path.name for path in directories}
    assert len(children) == 3
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}


def test_the_report_becomes_an_artifact_of_the_parent(folder):
    page = folder / "report.html"
    page.write_text("<html>numbers</html>")
    assert mirror(folder, page) == ""
    (parent,), children = runs(folder)
    assert children == []
    assert text(folder, parent, "report.html") == "<html>numbers</html>"


@pytest.mark.parametrize("apart", [False, True], ids=["by one mirror", "by the next run's"])
def test_submitting_a_trial_twice_adds_nothing(folder, apart: bool):
    directory = record(folder)
    for entries in ([directory], [directory]) if apart else ([directory, directory],):
        assert mirror(folder, *entries) == ""
    assert histories(folder, only_child(folder)) == expected(directory)


def test_metrics_that_a_killed_run_wrote_without_noting_it_are_not_doubled(folder):
    directory = record(folder)
    mirror(folder, directory)
    MlflowClient(uri(folder)).delete_tag(only_child(folder).info.run_id, "labelbench.rounds")
    assert mirror(folder, directory) == ""
    assert histories(folder, only_child(folder)) == expected(directory)


def test_a_child_that_a_killed_run_left_without_parameters_gets_them(folder):
    directory = record(folder)
    open_mlflow_runs(uri(folder), EXPERIMENT, folder / "artifacts")
    (parent,), _ = runs(folder)
    tags = {"mlflow.parentRunId": parent.info.run_id, "labelbench.fingerprint": directory.name}
    MlflowClient(uri(folder)).create_run(parent.info.experiment_id, tags=tags)
    assert mirror(folder, directory) == ""
    assert only_child(folder).data.params == parameters(TRIAL)


def test_more_rounds_go_on_with_the_same_run(folder):
    mirror(folder, record(folder))
    before = only_child(folder).info.run_id
    directory = record(folder, vary(TRIAL, rounds=3), rounds=3)
    assert mirror(folder, directory) == ""
    child = only_child(folder)
    assert child.info.run_id == before
    assert child.data.tags["rounds"] == "3"
    assert histories(folder, child) == expected(directory)
    assert text(folder, child, "chosen.csv") == chosen_table(read_history(directory))


def test_a_failed_trial_is_marked_with_its_traceback_until_it_is_finished(folder):
    assert mirror(folder, record(folder, rounds=1, failure=FAILURE)) == ""
    child = only_child(folder)
    assert child.info.status == "FAILED"
    assert text(folder, child, "traceback.txt") == FAILURE.traceback
    directory = record(folder)
    assert mirror(folder, directory) == ""
    assert only_child(folder).info.status == "FINISHED"
    assert histories(folder, only_child(folder)) == expected(directory)


def test_a_trial_that_failed_before_its_first_round_is_marked_too(folder):
    assert mirror(folder, record(folder, rounds=0, failure=FAILURE)) == ""
    child = only_child(folder)
    assert (child.info.status, child.data.metrics) == ("FAILED", {})


@pytest.mark.usefixtures("by_client")
def test_thousands_of_metrics_are_written_in_batches_that_mlflow_takes(folder, monkeypatch):
    directory = record(folder, metrics={f"Metric {number}": float(number) for number in range(1100)})
    sizes: list[int] = []
    log_batch = MlflowClient.log_batch

    def counting(client: MlflowClient, run_id: str, metrics: tuple[Metric, ...] = (), *rest: object) -> None:
        sizes.append(len(metrics))
        log_batch(client, run_id, metrics, *rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counting)
    assert mirror(folder, directory) == ""
    assert (max(sizes), sum(sizes)) == (800, 2 * 1101)
    child = only_child(folder)
    assert len(child.data.metrics) == 1101
    client = MlflowClient(uri(folder))
    for name in ("More/Metric 0", "More/Metric 799", "More/Metric 800", "More/Metric 1099"):
        history = client.get_metric_history(child.info.run_id, name)
        number = float(name.rpartition(" ")[2])
        assert [(point.step, point.value) for point in history] == [(2, number), (4, number)]


def test_an_mlflow_that_is_down_is_reported_once_and_soon(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    directory = record(tmp_path)
    start = time.monotonic()
    writing = mlflow_mirror("http://127.0.0.1:9", EXPERIMENT, tmp_path / "artifacts")
    for _ in range(30):
        writing.submit(directory)
    problem = writing.finish(60)
    assert time.monotonic() - start < 30, "it does not wait for the end of the limit"
    assert problem.startswith("MLflow at http://127.0.0.1:9 did not take 1 entry: ")
    assert "refused" in problem


def test_an_mlflow_that_is_down_is_tried_again_at_longer_and_longer_intervals(tmp_path, monkeypatch):
    tries: list[float] = []

    def down(*_: object) -> MlflowRuns:
        tries.append(time.monotonic())
        raise ConnectionError("timed out")

    monkeypatch.setattr(mlflow_runs, "open_mlflow_runs", down)
    monkeypatch.setattr(mirrors, "FIRST_PAUSE", 0.05)
    writing = mlflow_mirror(uri(tmp_path), EXPERIMENT, tmp_path)
    for number in range(30):
        writing.submit(tmp_path / str(number))
    time.sleep(1.2)
    problem = writing.finish(60)
    assert "did not take 30 entries: ConnectionError: timed out" in problem
    pauses = np.diff(tries[:5])
    assert (pauses >= 0.05 * 2.0 ** np.arange(4)).all()
    assert 5 <= len(tries) <= 7


def test_an_mlflow_that_answered_once_is_waited_for_at_the_end(folder, monkeypatch):
    directories = [record(folder, vary(TRIAL, seed=seed)) for seed in range(3)]
    monkeypatch.setattr(mirrors, "FIRST_PAUSE", 0.01)
    log, failures = MlflowRuns.log, iter([ConnectionError("down")] * 6)

    def down_for_a_while(runs: MlflowRuns, run: TrackedRun) -> None:
        if run.key != directories[0].name:
            for error in failures:
                raise error
        log(runs, run)

    monkeypatch.setattr(MlflowRuns, "log", down_for_a_while)
    assert mirror(folder, *directories) == ""
    assert next(failures, None) is None
    assert len(runs(folder)[1]) == 3


def test_an_entry_that_is_submitted_while_it_is_written_is_written_again(folder, monkeypatch):
    directory = record(folder, rounds=1, failure=FAILURE)
    inside, go_on, log = threading.Event(), threading.Event(), MlflowRuns.log

    def slow(runs: MlflowRuns, run: TrackedRun) -> None:
        log(runs, run)
        inside.set()
        go_on.wait(30)

    monkeypatch.setattr(MlflowRuns, "log", slow)
    writing = mlflow_mirror(uri(folder), EXPERIMENT, folder / "artifacts")
    writing.submit(directory)
    assert inside.wait(30)
    record(folder)
    writing.submit(directory)
    go_on.set()
    assert writing.finish(60) == ""
    assert histories(folder, only_child(folder)) == expected(directory)
    assert only_child(folder).info.status == "FINISHED"


def test_a_server_that_never_answers_holds_nothing_up_beyond_the_limit(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        writing = mlflow_mirror(f"http://127.0.0.1:{silent.getsockname()[1]}", EXPERIMENT, tmp_path)
        entry = record(tmp_path)
        start = time.monotonic()
        writing.submit(entry)
        assert "did not take 1 entry: it is slow, 0.5 s were not enough" in writing.finish(0.5)
        assert time.monotonic() - start < 20, "MLflow's client waits for two minutes"


def test_what_mlflow_refuses_is_reported_and_does_not_hold_up_the_others(folder):
    """A metric of a name that MLflow does not take."""
    refused, other = (record(folder, vary(TRIAL, seed=seed), metrics={name: 1.0}) for seed, name in enumerate("?a"))
    problem = mirror(folder, refused, other)
    assert refused.name in problem
    assert "Invalid" in problem
    assert {child.data.tags["labelbench.fingerprint"] for child in runs(folder)[1] if child.data.metrics} == {
        other.name
    }


def test_long_and_many_parameters_are_taken(folder, monkeypatch):
    many = {f"setting {number}": "x" * (7000 if number % 50 == 0 else 5) for number in range(250)}
    monkeypatch.setattr("labelbench_ray.tracking.runs.parameters", lambda _: many)
    assert mirror(folder, record(folder)) == ""
    found = only_child(folder).data.params
    assert found.keys() == many.keys()
    assert found["setting 1"] == "xxxxx"
    assert found["setting 50"] == "x" * 5997 + "..."


def test_a_password_in_the_address_is_not_printed(tmp_path):
    address = "http://user:s3cret@127.0.0.1:9"
    writing = mlflow_mirror(address, EXPERIMENT, tmp_path)
    writing.submit(record(tmp_path))
    problem = writing.finish(60)
    assert problem.startswith("MLflow at http://***@127.0.0.1:9 did not take")
    assert "s3cret" not in problem


def test_what_mlflow_did_not_take_at_first_is_written_at_the_end(folder, monkeypatch):
    directories = [record(folder, vary(TRIAL, seed=seed)) for seed in range(3)]
    answers = iter([ConnectionError("down")])

    def down_at_first(*given: object) -> MlflowRuns:
        for error in answers:
            raise error
        return open_mlflow_runs(*given)

    monkeypatch.setattr(mlflow_runs, "open_mlflow_runs", down_at_first)
    assert mirror(folder, *directories) == ""
    assert len(runs(folder)[1]) == 3


def test_a_folder_that_holds_another_trial_s_header_leaves_that_trial_s_run_alone(folder):
    sound = record(folder)
    foreign = sound.with_name("0" * 16)
    foreign.mkdir()
    shutil.copy(sound / "trial.json", foreign)
    write_failure(foreign, FAILURE)
    problem = mirror(folder, sound, foreign)
    assert f"{foreign} holds the trial {sound.name}; move it back" in problem
    child = only_child(folder)
    assert child.info.status == "FINISHED"
    assert histories(folder, child) == expected(sound)


def test_a_damaged_ledger_is_reported_and_the_other_trials_are_written(folder):
    damaged, *others = (record(folder, vary(TRIAL, seed=seed)) for seed in range(3))
    (damaged / "rounds" / "001.json").write_bytes(b"{")
    assert "001.json" in mirror(folder, damaged, *others)
    assert {child.data.tags["labelbench.fingerprint"] for child in runs(folder)[1]} == {path.name for path in others}


def test_a_damaged_ledger_is_still_reported_when_mlflow_failed_after_it(folder, monkeypatch):
    damaged, other = (record(folder, vary(TRIAL, seed=seed)) for seed in range(2))
    (damaged / "rounds" / "001.json").write_bytes(b"{")
    failures, insert_run = iter([ConnectionError("down")]), mlflow_runs.insert_run

    def down_at_first(*given: Any) -> None:
        for error in failures:
            raise error
        insert_run(*given)

    monkeypatch.setattr(mlflow_runs, "insert_run", down_at_first)
    assert "001.json" in mirror(folder, damaged, other)
    assert only_child(folder).data.tags["labelbench.fingerprint"] == other.name


def test_a_thread_has_the_schema_ready_and_leaves_problems_to_the_mirror(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(mlflow_sqlite, "empty_database", lambda artifacts: whole.read_bytes())
    begin_connecting(uri(tmp_path)).join(60)
    assert (tmp_path / "mlflow.db").read_bytes() == whole.read_bytes()
    (tmp_path / "a file").touch()
    begin_connecting(f"sqlite:///{tmp_path}/a file/mlflow.db").join(60)
    writing = mlflow_mirror(f"sqlite:///{tmp_path}/a file/mlflow.db", EXPERIMENT, tmp_path / "artifacts")
    writing.submit(record(tmp_path))
    assert "did not take 1 entry: FileExistsError" in writing.finish(1)


def test_garbage_in_the_place_of_the_database_does_not_stop_the_mirror(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(GARBAGE)
    directory = record(tmp_path)
    assert mirror(tmp_path, directory) == ""
    assert histories(tmp_path, only_child(tmp_path)) == expected(directory)


def sqlite_without_mlflow(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.commit()


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.write_bytes(GARBAGE), lambda path: path.touch(), sqlite_without_mlflow],
    ids=["garbage", "empty", "schema not finished"],
)
def test_a_database_without_a_schema_is_set_aside_and_made_again(tmp_path, whole, monkeypatch, damage):
    monkeypatch.setattr(mlflow_sqlite, "empty_database", lambda artifacts: whole.read_bytes())
    path = tmp_path / "mlflow.db"
    damage(path)
    broken = path.read_bytes()
    prepare_sqlite(path)
    assert path.read_bytes() == whole.read_bytes()
    (aside,) = tmp_path.glob("mlflow.db.broken-*")
    assert aside.read_bytes() == broken


def rows_of(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the file by table, without the ids of runs and the times of writing."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.row_factory = sqlite3.Row
        names = {run["run_uuid"]: run["name"] for run in connection.execute("SELECT * FROM runs")}
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            found[table] = sorted((shown(dict(row), names) for row in rows), key=repr)
    return found


def shown(row: dict[str, Any], names: dict[str, str]) -> tuple[Any, ...]:
    written_now = {"creation_time", "last_update_time", "last_updated_time"}
    if "run_uuid" in row and row.get("name") == EXPERIMENT:  # the parent
        written_now |= {"start_time", "end_time"}
    values = {name: value for name, value in row.items() if name not in written_now}
    for run_id, name in names.items():
        values = {
            key: value.replace(run_id, name) if isinstance(value, str) else value for key, value in values.items()
        }
    return tuple(values.items())


def test_a_sqlite_file_holds_what_mlflow_s_client_would_write(tmp_path, whole, monkeypatch):
    ledgers = tmp_path / "ledgers"
    entries = [
        record(ledgers),
        record(ledgers, vary(TRIAL, seed=4), rounds=1),
        record(ledgers, vary(TRIAL, seed=5), rounds=1, failure=FAILURE),
        tune(record(ledgers, TUNED), 2, 4),
        record(ledgers, vary(TRIAL, seed=6), metrics={"Test Accuracy": 1e-300, "Num Labeled": 3}),
    ]
    found = []
    for engine in (mlflow_runs.sqlite_engine, lambda client: None):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        shutil.copy(whole, folder / "mlflow.db")
        monkeypatch.setattr(mlflow_runs, "sqlite_engine", engine)
        writing = mlflow_mirror(uri(folder), EXPERIMENT, tmp_path / "artifacts")
        for entry in entries:
            writing.submit(entry)
        assert writing.finish(60) == ""
        found.append(rows_of(folder))
    assert found[0].keys() == found[1].keys()
    for table, rows in found[0].items():
        assert rows == found[1][table]
    assert len(found[0]["runs"]) == 1 + len(entries)
    assert len(found[0]["metrics"]) > len(found[0]["latest_metrics"]) > 10


def test_a_run_that_cannot_be_written_whole_is_not_there(folder, monkeypatch):
    """Its last statement fails, and the mirror would try again."""
    directory = record(folder)
    tracker = open_mlflow_runs(uri(folder), EXPERIMENT, folder / "artifacts")
    tracker.start()
    monkeypatch.setattr(mlflow_inserts, "latest", lambda points: [points[0], points[0]])
    with pytest.raises(IntegrityError) as raised:
        tracker.log(read_tracked_run(directory))
    assert is_outage(raised.value)
    assert runs(folder)[1] == []
    monkeypatch.undo()
    assert mirror(folder, directory) == ""
    assert histories(folder, only_child(folder)) == expected(directory)


def test_the_database_is_the_one_that_mlflow_makes(folder):
    path = folder / "by_mlflow.db"
    SqlAlchemyStore(uri(folder).replace("mlflow.db", path.name), "elsewhere").engine.dispose()
    dumps = []
    for file in (path, folder / "mlflow.db"):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT name FROM experiments").fetchall() == [("Default",)]
            connection.execute("DELETE FROM experiments")  # its times and place
            # Constraints and indexes come in any order.
            dumps.append([sorted(each.strip("\t ,") for each in line.splitlines()) for line in connection.iterdump()])
    assert sorted(dumps[0]) == sorted(dumps[1])
    assert len(dumps[0]) > 50


def test_a_whole_database_is_left_alone(folder):
    path = folder / "mlflow.db"
    before = path.stat().st_ino, path.read_bytes()
    prepare_sqlite(path)
    assert (path.stat().st_ino, path.read_bytes()) == before


def test_a_busy_database_is_not_set_aside(folder, monkeypatch):
    path = folder / "mlflow.db"
    inode = path.stat().st_ino
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.1))  # sqlite waits for 5 s
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            prepare_sqlite(path)
    assert path.stat().st_ino == inode
    assert list(folder.glob("*.broken-*")) == []


def test_an_experiment_that_was_deleted_in_mlflow_is_restored(folder):
    directory = record(folder)
    mirror(folder, directory)
    client = MlflowClient(uri(folder))
    client.delete_experiment(client.get_experiment_by_name(EXPERIMENT).experiment_id)
    assert mirror(folder, directory) == ""
    assert client.get_experiment_by_name(EXPERIMENT).lifecycle_stage == "active"
    assert histories(folder, only_child(folder)) == expected(directory)


def test_a_run_that_was_deleted_in_mlflow_is_written_again(folder):
    directory = record(folder)
    mirror(folder, directory)
    MlflowClient(uri(folder)).delete_run(only_child(folder).info.run_id)
    assert mirror(folder, directory) == ""
    assert histories(folder, only_child(folder)) == expected(directory)


def test_the_table_of_what_was_bought(tmp_path):
    assert chosen_table(read_history(record(tmp_path))) == (
        "round,order,pool_id,label\n0,0,7,1\n0,1,0,0\n1,0,17,2\n1,1,10,1\n"
    )


def test_parameters_are_all_settings_defaults_included_but_not_rounds():
    trial = vary(TRIAL, corrupter=Part.of("uniform_noise", fraction=0.2), trainer=Part.of("supervised", epochs=7))
    assert parameters(trial) == {
        "dataset": "digits",
        "dataset.max_rows": "None",
        "encoder": "pixels",
        "encoder.size": "8",
        "encoder.jpeg_decoding": "complete",
        "strategy": "margin",
        "seed": "3",
        "budget": "2",
        "proxy": "linear",
        "trainer": "supervised",
        "trainer.epochs": "7",
        "trainer.batch_size": "500",
        "trainer.learning_rate": "0.002",
        "trainer.weight_decay": "0.01",
        "trainer.label_smoothing": "0.1",
        "trainer.mixup": "0.2",
        "trainer.warmup_steps": "200",
        "trainer.keep": "loss",
        "trainer.patience": "5",
        "trainer.epoch_steps": "1",
        "trainer.gradient_clip": "None",
        "trainer.accumulation": "1",
        "trainer.cutmix": "0.0",
        "trainer.until_accuracy": "None",
        "corrupter": "uniform_noise",
        "corrupter.fraction": "0.2",
        "corrupter.seed": "None",
        "first_batch": "random",
    }


FINE_TUNE = FineTune(model=Part.of("lora", rank=2), trainer=Part.of("supervised", epochs=7), budgets=(4, 2))
TUNED = vary(TRIAL, encoder="efficientnet_lite0", finetune=FINE_TUNE)


def tune(trial: Path, *budgets: int, failure: Failure | None = None) -> Path:
    """The folder of the trial's fine-tune with a point at each of these budgets; those that are there stay."""
    name = parts.build_tuning(FINE_TUNE).fingerprint
    points = FineTuneLedger.open(trial, FineTuneHeader(fingerprint=name, trial=trial.name, recipe=FINE_TUNE, store="s"))
    for budget in budgets:
        points.publish(budget, "c", {"Test Accuracy": budget / 8}, {"fine-tune": Cost(1.5)}, {"b": np.zeros(2)})
    if failure:
        write_failure(points.directory, failure)
    return points.directory


def points_expected(directory: Path) -> Histories:
    found: Histories = {}
    for path in sorted(directory.glob("0*.json")):
        labels, written = int(path.stem), json.loads(path.read_text())["finished"]
        found.setdefault("Main/Test Accuracy", []).append((labels, labels / 8, written))
        found.setdefault("Seconds/fine-tune", []).append((labels, 1.5, written))
    return found


def test_a_fine_tune_becomes_a_child_run_beside_its_trial(folder):
    trial = record(folder, TUNED)
    directory = tune(trial, 2, 4)
    assert mirror(folder, trial, directory) == ""
    (parent,), children = runs(folder)
    (child,) = [each for each in children if "finetune.model" in each.data.params]
    assert len(children) == 2
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.tags["labelbench.fingerprint"] == f"{trial.name}/{directory.name}"
    assert child.data.tags["trial"] == trial.name
    assert child.info.run_name == f"margin seed 3: {FINE_TUNE}"
    assert histories(folder, child) == points_expected(directory)
    assert child.info.status == "FINISHED"
    own = {name: value for name, value in child.data.params.items() if name.startswith("finetune.")}
    assert child.data.params == parameters(TUNED) | own
    assert (own["finetune.model"], own["finetune.model.rank"]) == ("lora", "2")
    assert (own["finetune.trainer"], own["finetune.trainer.epochs"]) == ("supervised", "7")


@pytest.mark.parametrize(("first", "second"), [((2,), (4,)), ((4,), (2,)), ((2, 4), ())])
def test_points_that_come_later_go_on_with_the_same_run_and_none_is_written_twice(folder, first, second):
    trial = record(folder, TUNED)
    assert mirror(folder, tune(trial, *first)) == ""
    before = only_child(folder)
    assert before.info.status == ("FINISHED" if len(first) == 2 else "RUNNING")
    time.sleep(0.01)  # so that the order of the points' times is theirs
    directory = tune(trial, *second)
    for _ in range(2):
        assert mirror(folder, directory) == ""
    child = only_child(folder)
    assert (child.info.run_id, child.info.status) == (before.info.run_id, "FINISHED")
    found = histories(folder, child)
    assert {name: sorted(values) for name, values in found.items()} == points_expected(directory)


def test_a_failed_fine_tune_is_marked_with_its_traceback_and_a_damaged_one_is_reported(folder):
    failed = tune(record(folder, TUNED), 2, failure=FAILURE)
    damaged = tune(record(folder, vary(TUNED, seed=4)), 2)
    (damaged / "000002.json").write_bytes(b"{")
    assert "000002.json" in mirror(folder, damaged, failed)
    child = only_child(folder)
    assert child.info.status == "FAILED"
    assert text(folder, child, "traceback.txt") == FAILURE.traceback

"""MLflow as a mirror of the ledger: one parent run an experiment, one child run a trial and one a fine-tune of it.

The mirror is written by one thread of the driver, from what the ledger says. It can be down, slow or deleted:
trials do not notice, and the next `labelbench run` writes what it lacks. A metric's step is the number of labels
and its timestamp is the record's, so writing one twice changes nothing.
"""

import itertools
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

# Before MLflow is imported: its own retries would wait for minutes, and it would report usage over the network.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from labelbench_ray.atomic import locked
from labelbench_ray.errors import LedgerError
from labelbench_ray.tracked import Tracked, read_tracked

FINGERPRINT, EXPERIMENT, ROUNDS = "labelbench.fingerprint", "labelbench.experiment", "labelbench.rounds"
logging.getLogger("mlflow").setLevel(logging.WARNING)

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's page then opens with curves of runs, not with traces of prompts."""
BATCH = 1000
"""MLflow takes this many metrics a call."""
SQLITE = "sqlite:///"


class Mirror:
    """Takes finished trials from any thread and writes them to MLflow from its own."""

    def __init__(self, tracking_uri: str, experiment: str, artifacts: Path) -> None:
        """`artifacts`: where a local sqlite store keeps its artifacts; a server has a place of its own."""
        self._uri, self._experiment, self._artifacts = tracking_uri, experiment, artifacts
        self._waiting: queue.Queue[Path | None] = queue.Queue()
        self._book: Book | None = None
        self._kept: list[Path] = []
        self._problem = ""
        self._damaged = ""
        self._down = False
        self._thread = threading.Thread(target=self._work, name="mlflow-mirror", daemon=True)
        self._thread.start()

    def submit(self, path: Path) -> None:
        """Have a trial's directory, a fine-tune's, or the report's page, written when its turn comes."""
        self._waiting.put(path)

    def finish(self, seconds: float) -> str:
        """Wait until all is written, at most so long; returns what is wrong in one line, "" when nothing is."""
        self._waiting.put(None)
        self._thread.join(seconds)
        if problem := self._problem or self._damaged:
            return f"MLflow at {self._uri} did not take everything: {problem}"
        if self._thread.is_alive():
            return f"MLflow at {self._uri} is slow: {self._waiting.qsize()} entries still wait"
        return ""

    def _work(self) -> None:
        while (path := self._waiting.get()) is not None:
            self._try(path)
        # What a server that was down for a while did not take; one that still is ends this at once.
        kept, self._kept, self._down, self._problem = self._kept, [], False, ""
        for path in kept:
            self._try(path)
        if self._book:
            self._noting(self._book.close)

    def _try(self, path: Path) -> None:
        """Write an entry, or keep it for the end: once MLflow failed nothing is tried before, for each try may wait."""
        if self._down or not self._noting(lambda: self._write(path)):
            self._kept.append(path)

    def _write(self, path: Path) -> None:
        self._book = self._book or open_book(self._uri, self._experiment, self._artifacts)
        self._book.write(path)

    def _noting(self, step: Callable[[], None]) -> bool:
        """Whether MLflow took it. Whatever goes wrong must not reach the trials; `finish` reports it."""
        try:
            step()
        except LedgerError as error:
            self._damaged = str(error)  # the trial's own trouble, which the plan and the report tell too
        except Exception as error:
            self._problem = f"{type(error).__name__}: {error}"
            self._down = True
        return not self._down


class Book:
    """The runs of one experiment in an MLflow store that answers."""

    def __init__(self, client: MlflowClient, experiment: Experiment) -> None:
        self._client = client
        self._experiment = experiment
        runs = list(_runs(client, experiment.experiment_id))
        self._children = {run.data.tags[FINGERPRINT]: run for run in runs if FINGERPRINT in run.data.tags}
        parents = [run for run in runs if EXPERIMENT in run.data.tags]
        self._parent = (
            parents[0]
            if parents
            else client.create_run(
                experiment.experiment_id, run_name=experiment.name, tags={EXPERIMENT: experiment.name}
            )
        )
        client.update_run(self._parent.info.run_id, status="RUNNING")

    def write(self, path: Path) -> None:
        """A trial's or fine-tune's directory becomes a child run; a file becomes an artifact of the parent."""
        if path.is_dir():
            self._write(read_tracked(path))
        else:
            self._client.log_artifact(self._parent.info.run_id, str(path))

    def close(self) -> None:
        """Mark the parent as finished."""
        self._client.set_terminated(self._parent.info.run_id)

    def _write(self, tracked: Tracked) -> None:
        run = self._children.get(tracked.key) or self._create(tracked)
        self._children[tracked.key] = run
        run_id, written = run.info.run_id, int(run.data.tags.get(ROUNDS, 0))
        if not run.data.params:  # it is new, or a kill came before they were written
            params = [Param(name, value) for name, value in tracked.parameters.items()]
            self._client.log_batch(run_id, params=params)
        if written < len(tracked.measured):
            metrics = [
                Metric(name, value, each.milliseconds, each.labels)
                for each in tracked.measured[written:]
                for name, value in each.values.items()
            ]
            for start in range(0, len(metrics), BATCH):
                self._client.log_batch(run_id, metrics=metrics[start : start + BATCH])
            for name, text in tracked.texts.items():
                self._client.log_text(run_id, text, name)
            tags = {ROUNDS: str(len(tracked.measured))} | tracked.tags
            self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        if tracked.failure:
            self._client.log_text(run_id, tracked.failure.traceback, "traceback.txt")
        if tracked.status != run.info.status:
            self._client.update_run(run_id, status=tracked.status)

    def _create(self, tracked: Tracked) -> Run:
        tags = {"mlflow.parentRunId": self._parent.info.run_id, FINGERPRINT: tracked.key}
        return self._client.create_run(self._experiment.experiment_id, run_name=tracked.name, tags=tags)


def open_book(uri: str, experiment: str, artifacts: Path) -> Book:
    """Connect, create what is missing, and read what is there."""
    if uri.startswith(SQLITE):
        prepare_sqlite(Path(uri.removeprefix(SQLITE)))
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        location = artifacts.resolve().as_uri() if uri.startswith(SQLITE) else None
        found = client.get_experiment(client.create_experiment(experiment, location, KIND))
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return Book(client, found)


def prepare_sqlite(path: Path) -> None:
    """Have a whole schema at `path`: made aside and renamed in; a file that a kill left broken is set aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock")):
        if path.exists() and not _has_schema(path):
            path.rename(path.with_name(f"{path.name}.broken-{time.time_ns()}"))
        if not path.exists():
            draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
            draft.unlink(missing_ok=True)
            SqlAlchemyStore(f"{SQLITE}{draft}", str(path.parent)).engine.dispose()  # type: ignore[no-untyped-call]
            draft.replace(path)


def _has_schema(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("SELECT version_num FROM alembic_version").fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise  # busy, say: somebody writes, and the file is well
    except sqlite3.DatabaseError:
        return False


def _runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token = None
    for _ in itertools.count():
        page = client.search_runs([experiment_id], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return

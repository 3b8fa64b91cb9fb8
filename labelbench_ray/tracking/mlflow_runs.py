"""The runs of one experiment in MLflow: one parent, one child a trial and one a fine-tune of it.

A metric's step is the number of labels and its timestamp is when the record was made, so that MLflow recognizes a
metric that is written again.
"""

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

# Set before MLflow is imported. The mirror tries again itself, and not blindly: a run may be there although the answer
# was lost. MLflow would also report usage over the network, and print addresses with the passwords in them.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine

from labelbench_ray.errors import UserError
from labelbench_ray.ledger.experiments import FILE
from labelbench_ray.tracking.chart_view import KIND, NOTE, TAG, prepare
from labelbench_ray.tracking.mlflow_address import SQLITE, sqlite_file
from labelbench_ray.tracking.mlflow_inserts import NewRun, check, insert_run, sqlite_engine
from labelbench_ray.tracking.mlflow_sqlite import prepare_sqlite
from labelbench_ray.tracking.runs import COMMIT, LAYOUT, OPEN, SOURCE_NAME, SOURCE_TYPE, TRACEBACK, Measured, TrackedRun
from labelbench_ray.tracking.summary import ExperimentSummary, read_summary

logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # its errors are raised as well

OWNER, TAGS, USER = "labelbench.owner", "labelbench.tags", "mlflow.user"
FINGERPRINT, EXPERIMENT, ROUNDS = "labelbench.fingerprint", "labelbench.experiment", "labelbench.rounds"
PARENT, PAGE = "mlflow.parentRunId", "labelbench.page"
CONTEXT = "mlflow.data.context"
METRICS, PARAMETERS = 800, 100
"""MLflow accepts 1000 entries a call, 100 of them parameters; this leaves space for a few tags."""
OUTAGES = {401, 403, 404, 408, 429}
"""Codes that blame the request, but that a server also returns while it is set up, or for every request."""
DATABASE_ERROR = "BAD_REQUEST"
"""MLflow's code for any problem with its database."""


@dataclass(frozen=True, slots=True)
class Child:
    """What MLflow holds of a trial or fine-tune."""

    run_id: str
    artifacts: str
    """Address of its artifacts."""
    status: str
    written: int = 0
    """The records whose metrics and parameters are all there."""
    is_current: bool = True
    """Its metrics are named as they are now."""


class MlflowRuns:
    """The runs of one experiment in an MLflow store that answers; a `mirror.Tracker`."""

    def __init__(self, client: MlflowClient, experiment: Experiment) -> None:
        self.client = client
        self._experiment = experiment
        self._engine = sqlite_engine(client)
        runs = list(_runs(client, experiment.experiment_id))
        self._children = {key: _child(found[0]) for key, found in _by_key(runs).items()}
        self.parent = next((run for run in runs if EXPERIMENT in run.data.tags), None) or client.create_run(
            experiment.experiment_id, run_name=experiment.name, tags={EXPERIMENT: experiment.name}
        )

    def runs(self) -> dict[str, list[Run]]:
        """The runs that are there now by key; a key has several where two mirrors wrote at once."""
        return _by_key(_runs(self.client, self._experiment.experiment_id))

    def start(self) -> None:
        """Mark the parent as running."""
        self.client.update_run(self.parent.info.run_id, status="RUNNING")

    def end(self) -> None:
        """Mark the parent as finished."""
        self.client.set_terminated(self.parent.info.run_id)

    def attach(self, path: Path) -> None:
        """Write a file as an artifact of the parent, unless it is there with this content."""
        data = path.read_bytes()
        digest = sha256(data).hexdigest()
        tags, of_experiment = self.parent.data.tags, (path.parent / FILE).is_file()
        stated = NOTE in tags or not of_experiment
        if tags.get(PAGE) == digest and stated and path.name in self.sizes(self.parent):
            return
        self.put(self.parent.info.artifact_uri, path.name, data)
        if of_experiment:
            self.summarize(read_summary(path.parent))
        self.client.set_tag(self.parent.info.run_id, PAGE, digest)

    def summarize(self, summary: ExperimentSummary) -> None:
        """State the verdict, what each strategy gains and saves, and the data sets in the parent."""
        run_id = self.parent.info.run_id
        now = int(time.time() * 1000)
        tags = {NOTE: summary.note, SOURCE_NAME: self._experiment.name, SOURCE_TYPE: "LOCAL"}
        tags |= {COMMIT: summary.commit} if summary.commit else {}
        tags |= {OWNER: summary.owner, USER: summary.owner} if summary.owner else {}
        self._replace_tags(summary.tags)
        self.client.log_batch(
            run_id,
            [Metric(name, value, now, 0) for name, value in summary.metrics.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        inputs = [
            DatasetInput(Dataset(each.name, each.digest, "labelbench", each.source), [InputTag(CONTEXT, "pool")])
            for each in summary.inputs
        ]
        if inputs:
            self.client.log_inputs(run_id, inputs)

    def _replace_tags(self, tags: Mapping[str, str]) -> None:
        """Give the parent and its experiment the tags of people, and take away those that they no longer have."""
        run_id, experiment_id = self.parent.info.run_id, self._experiment.experiment_id
        before = json.loads(self.parent.data.tags.get(TAGS, "[]"))
        for name in [name for name in before if name not in tags]:
            self.client.delete_tag(run_id, name)
            self.client.delete_experiment_tag(experiment_id, name)
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
            self.client.set_experiment_tag(experiment_id, name, value)
        if tags or before:
            self.client.set_tag(run_id, TAGS, json.dumps([*tags]))

    def log(self, tracked: TrackedRun) -> None:
        """Upload rounds that MLflow does not have yet."""
        if tracked.key in self._children and not self._children[tracked.key].is_current:
            self.delete(tracked.key)
        new = tracked.key not in self._children
        if new and self._engine:
            self._insert(self._engine, tracked)
            return
        child = self.create(tracked) if new else self._children[tracked.key]
        lacking = tracked.measured[child.written :]
        if lacking:
            self.put_all(child.artifacts, tracked.texts)
        if lacking or not child.written:
            self.log_batch(
                child.run_id,
                lacking,
                {} if child.written else tracked.parameters,
                {} if new else tags_of(tracked, self.parent),
            )
        if tracked.failure:
            self.put(child.artifacts, TRACEBACK, tracked.artifacts[TRACEBACK].encode())
        if tracked.status != child.status:
            self.set_status(child.run_id, tracked)
        written = max(child.written, len(tracked.measured))
        self._children[tracked.key] = replace(child, written=written, status=tracked.status)

    def _insert(self, engine: Engine, tracked: TrackedRun) -> None:
        """Write a new child at once, after its artifacts."""
        new = NewRun(self._experiment, tracked, tags_of(tracked, self.parent))
        check(new)
        self.put_all(new.artifacts, tracked.artifacts)
        insert_run(engine, new)
        self._children[tracked.key] = Child(new.run_id, new.artifacts, tracked.status, len(tracked.measured))

    def create(self, tracked: TrackedRun) -> Child:
        """A new child."""
        began = tracked.measured[0].milliseconds if tracked.measured else None
        tags = tags_of(tracked, self.parent)
        run = self.client.create_run(self._experiment.experiment_id, began, tags, tracked.name)
        self._children[tracked.key] = _child(run)
        return self._children[tracked.key]

    def log_batch(
        self, run_id: str, measured: Iterable[Measured], parameters: dict[str, str], tags: dict[str, str]
    ) -> None:
        """Write to a run in as few calls as MLflow allows; tags come last, since they mark the rest as complete."""
        metrics = [
            Metric(name, value, each.milliseconds, each.labels)
            for each in measured
            for name, value in each.values.items()
        ]
        params = [Param(name, value) for name, value in parameters.items()]
        while len(metrics) > METRICS or len(params) > PARAMETERS:
            self.client.log_batch(run_id, metrics[:METRICS], params[:PARAMETERS])
            metrics, params = metrics[METRICS:], params[PARAMETERS:]
        self.client.log_batch(run_id, metrics, params, [RunTag(name, value) for name, value in tags.items()])

    def set_status(self, run_id: str, tracked: TrackedRun) -> None:
        """Give a run the status of its ledger and, once it has ended, the time of its last record."""
        if tracked.status in OPEN:
            self.client.update_run(run_id, status=tracked.status)
        else:
            ended = tracked.measured[-1].milliseconds if tracked.measured else None
            self.client.set_terminated(run_id, tracked.status, ended)

    def delete(self, key: str) -> None:
        """Delete the child of a trial, which MLflow can restore."""
        self.client.delete_run(self._children.pop(key).run_id)

    def sizes(self, run: Run) -> dict[str, int | None]:
        """Bytes of each artifact of a run; None where the store does not report them."""
        repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=self.client.tracking_uri)
        return {file.path: file.file_size for file in repository.list_artifacts()}

    def put_all(self, artifacts: str, texts: dict[str, str]) -> None:
        """Write artifacts."""
        for name, text in texts.items():
            self.put(artifacts, name, text.encode())

    def put(self, artifacts: str, name: str, data: bytes) -> None:
        """Write an artifact; `artifacts`: the run's address for them, which asking MLflow for costs a call."""
        assert Path(name).name == name
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            repository = get_artifact_repository(artifacts, tracking_uri=self.client.tracking_uri)
            repository.log_artifact(str(path))  # type: ignore[no-untyped-call]


def connect(uri: str) -> MlflowClient:
    """A client of the store at an address; a sqlite file gets its schema."""
    if uri.startswith(SQLITE) and (file := sqlite_file(uri)):
        prepare_sqlite(file)
    return MlflowClient(uri)


def open_mlflow_runs(uri: str, experiment: str, artifacts: Path) -> MlflowRuns:
    """Connect, create what is missing, and read what is there.

    `artifacts`: the folder for artifacts if the address is a database; a server has a place of its own.
    """
    client = connect(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        location = None if uri.startswith(("http://", "https://")) else artifacts.as_uri()
        found = client.get_experiment(client.create_experiment(experiment, location, KIND))
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if TAG not in found.tags:
        prepare(client, found)
    return MlflowRuns(client, found)


def is_outage(error: Exception) -> bool:
    """Whether to try again: MLflow, or its database, failed; the request was right."""
    if isinstance(error, UserError | FileNotFoundError):  # a problem of the trial, which plan and report show as well
        return False
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]
        return not 400 <= status < 500 or status in OUTAGES or error.error_code == DATABASE_ERROR
    return True


def tags_of(tracked: TrackedRun, parent: Run) -> dict[str, str]:
    """All tags of a child. Once it has ended, the number of rounds states that their metrics are complete."""
    found = {PARENT: parent.info.run_id, FINGERPRINT: tracked.key, ROUNDS: str(len(tracked.measured))}
    return found | tracked.tags


def _child(run: Run) -> Child:
    """A run that is not finished, or whose writer was killed, counts as empty."""
    written = run.data.tags.get(ROUNDS, "")
    complete = run.info.status not in OPEN and written.isdecimal()
    return Child(
        run.info.run_id, run.info.artifact_uri, run.info.status, int(written) if complete else 0, is_current(run)
    )


def is_current(run: Run) -> bool:
    """Whether the metrics of a child are named as they are now; one without any may be."""
    return not run.data.metrics or LAYOUT.items() <= run.data.tags.items()


def _by_key(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        if key := run.data.tags.get(FINGERPRINT):
            found.setdefault(key, []).append(run)
    return found


def _runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    """From the oldest to the newest."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], max_results=1000, page_token=token, order_by=["attributes.start_time ASC"]
        )
        yield from page
        token = page.token
        if not token:
            return

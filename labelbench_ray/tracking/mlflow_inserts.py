"""New runs of MLflow's sqlite file, each written by one transaction of five statements.

MLflow's client takes eight transactions for a run, and an object of SQLAlchemy's for each metric: that is nearly all of
the CPU seconds that a mirror takes. What the file holds afterwards is the same, row by row.
"""

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from mlflow.entities import Experiment
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.utils import validation
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy import Engine, insert

from labelbench_ray.tracking.runs import OPEN, TrackedRun

PRAGMAS: Final = ("PRAGMA foreign_keys = ON", "PRAGMA busy_timeout = 20000")
"""As MLflow opens a sqlite file."""
NAME: Final = "mlflow.runName"
UNSTATED: Final[dict[str, Any]] = {
    **dict.fromkeys(("source_name", "entry_point_name", "source_version"), ""),
    "source_type": "UNKNOWN",
    "user_id": "unknown",
    "lifecycle_stage": "active",
}
"""What MLflow's client writes of every run."""


class Point(NamedTuple):
    """A metric at a step; finite."""

    name: str
    value: float
    milliseconds: int
    step: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is not there yet."""

    experiment: Experiment
    tracked: TrackedRun
    tags: dict[str, str]
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def artifacts(self) -> str:
        """The address of its artifacts."""
        inside = SqlAlchemyStore.ARTIFACTS_FOLDER_NAME
        address = append_to_uri_path(self.experiment.artifact_location, self.run_id, inside)  # type: ignore[no-untyped-call]
        return str(address)

    @property
    def points(self) -> list[Point]:
        """Each once, in order."""
        measured = self.tracked.measured
        points = (
            Point(name, value, each.milliseconds, each.labels)
            for each in measured
            for name, value in each.values.items()
        )
        return [*dict.fromkeys(points)]


def sqlite_engine(client: MlflowClient) -> Engine | None:
    """The sqlite file that a client writes to; None: it writes to a server or to another database."""
    store = client._tracking_client.store
    is_sqlite = isinstance(store, SqlAlchemyStore) and store.engine.dialect.name == "sqlite"
    return store.engine if is_sqlite else None


def check(new: NewRun) -> None:
    """Refuse, as MLflow does, names that it does not accept.

    Raises:
        MlflowException: names the first such metric, parameter or tag.
    """
    for name in dict.fromkeys(name for each in new.tracked.measured for name in each.values):
        _check_metric(name)
    for name, value in new.tracked.parameters.items():
        validation._validate_param(name, value)  # type: ignore[no-untyped-call]
    for name, value in new.tags.items():
        validation._validate_tag(name, value)  # type: ignore[no-untyped-call]


@cache
def _check_metric(name: str) -> None:
    validation._validate_metric(name, 0.0, 0, 0)  # type: ignore[no-untyped-call]


def insert_run(engine: Engine, new: NewRun) -> None:
    """Write a run whole or not at all."""
    tracked, points = new.tracked, new.points
    now, times = int(time.time() * 1000), [each.milliseconds for each in tracked.measured]
    run = {"run_uuid": new.run_id}
    row = UNSTATED | run
    row |= {"name": tracked.name, "status": tracked.status, "artifact_uri": new.artifacts}
    row |= {"start_time": times[0] if times else now, "experiment_id": int(new.experiment.experiment_id)}
    row |= {"end_time": None if tracked.status in OPEN else times[-1] if times else now}
    tags = {NAME: tracked.name} | new.tags
    rows: list[tuple[Any, list[dict[str, Any]]]] = [
        (SqlRun, [row]),
        (SqlTag, [run | {"key": name, "value": value} for name, value in tags.items()]),
        (SqlParam, [run | {"key": name, "value": value} for name, value in tracked.parameters.items()]),
        (SqlMetric, [_row(new, point) for point in points]),
        (SqlLatestMetric, [_row(new, point) for point in latest(points)]),
    ]
    with engine.connect() as connection:
        for pragma in PRAGMAS:
            connection.exec_driver_sql(pragma)
        for table, values in rows:
            if values:
                connection.execute(insert(table.__table__), values)
        connection.commit()


def latest(points: Iterable[Point]) -> list[Point]:
    """The point of each metric that MLflow shows as its value."""
    found: dict[str, Point] = {}
    for point in points:
        there = found.get(point.name)
        if there is None or _order(point) > _order(there):
            found[point.name] = point
    return [*found.values()]


def _order(point: Point) -> tuple[int, int, float]:
    return point.step, point.milliseconds, point.value


def _row(new: NewRun, point: Point) -> dict[str, Any]:
    return {
        "run_uuid": new.run_id,
        "key": point.name,
        "value": point.value,
        "timestamp": point.milliseconds,
        "step": point.step,
        "is_nan": False,
    }

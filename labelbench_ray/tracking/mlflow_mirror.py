"""The mirror of an experiment in MLflow, whose import takes seconds: threads do it while other processes start."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from labelbench_ray.tracking.mirror import Mirror

if TYPE_CHECKING:
    from labelbench_ray.tracking.mlflow_runs import MlflowRuns


def mlflow_mirror(uri: str, experiment: str, artifacts: Path) -> Mirror:
    """A mirror of an experiment in MLflow, see `mlflow_runs.open_mlflow_runs`."""

    def connect() -> "MlflowRuns":
        from labelbench_ray.tracking.mlflow_runs import open_mlflow_runs

        return open_mlflow_runs(uri, experiment, artifacts)

    return Mirror(connect, _is_outage, "MLflow", uri)


def begin_connecting(uri: str) -> threading.Thread:
    """Import MLflow and have the schema of a sqlite file in a thread; what is wrong there, the mirror finds as well."""

    def connect() -> None:
        with suppress(Exception):
            from labelbench_ray.tracking import mlflow_runs

            mlflow_runs.connect(uri)

    thread = threading.Thread(target=connect, name="connect-early", daemon=True)
    thread.start()
    return thread


def _is_outage(error: Exception) -> bool:
    if isinstance(error, ImportError):  # an installation that lacks a part
        return False
    from labelbench_ray.tracking.mlflow_runs import is_outage

    return is_outage(error)

"""The mirror of an experiment in MLflow. Its thread imports MLflow, which takes seconds, while trials run."""

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


def _is_outage(error: Exception) -> bool:
    if isinstance(error, ImportError):  # an installation that lacks a part
        return False
    from labelbench_ray.tracking.mlflow_runs import is_outage

    return is_outage(error)

"""The experiments of folders in MLflow, each with the view in which its page opens."""

from collections.abc import Iterable
from pathlib import Path

from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.trials import read_header
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.tracking.chart_view import prepare
from labelbench_ray.tracking.mlflow_runs import connect


def experiment_ids(uri: str, folders: Iterable[Path]) -> tuple[dict[str, str], list[str]]:
    """MLflow's ids of the experiments of these folders, by name, and a line for each that MLflow does not have.

    The view of each is written if it is not there.

    Raises:
        ConfigError: MLflow has none of them.
        Exception: what MLflow raises when it is down.
    """
    client = connect(uri)
    found: dict[str, str] = {}
    lacking = []
    for folder in folders:
        name = read_grid(folder).experiment
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            lacking.append(f"MLflow does not have the experiment {name!r}; `labelbench sync {folder}` writes it")
            continue
        prepare(client, experiment, _compared(folder))
        found[name] = str(experiment.experiment_id)
    if not found:
        raise ConfigError("\n".join(lacking))
    return found, lacking


def _compared(folder: Path) -> tuple[str, ...]:
    """The metrics that the task of an experiment's trials compares."""
    first = next(iter(sorted(folder.glob("*/trial.json"))), None)
    traits = read_header(first).traits if first else None
    return traits.metrics if traits else SINGLE_LABEL.shown

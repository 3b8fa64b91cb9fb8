"""The command `labelbench run`, as the benchmarks run it, and what its ledgers say afterwards."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.environment import Environment
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.trials import History, read_history
from labelbench_ray.planning.experiment import load
from labelbench_ray.tracking.mlflow_address import sqlite_uri
from labelbench_ray.trial.parts import build

ROOT = Path(__file__).resolve().parent.parent
LABELBENCH = Path(sys.executable).with_name("labelbench")


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a run."""

    data_root: Path
    runs: Path
    store: Path


@contextmanager
def places(data_root: Path, runs: Path | None = None, store: Path | None = None) -> Iterator[Places]:
    """The folders given, and fresh ones, deleted at the end, for those that are not."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as fresh:
        yield Places(data_root.resolve(), (runs or Path(fresh) / "runs"), (store or Path(fresh) / "store"))


def command(verb: str, experiment: str, where: Places, *options: str) -> list[str]:
    """The command line; `experiment` is `file.py:function`."""
    folders = [f"--{name}={getattr(where, name.replace('-', '_'))}" for name in ("runs", "store", "data-root")]
    return [str(LABELBENCH), verb, experiment, *folders, *options]


def run(verb: str, experiment: str, where: Places, *options: str) -> float:
    """Run it to the end, its output on standard error; returns wall seconds.

    Raises:
        CalledProcessError: it did not end well.
    """
    start = time.perf_counter()
    subprocess.run(command(verb, experiment, where, *options), stdout=sys.stderr, check=True)
    return time.perf_counter() - start


def not_provided(experiment: str, data_root: Path) -> str:
    """What is missing on this machine to run an experiment, in words; "" when nothing is."""
    try:
        for trial in load(experiment).trials[:1]:
            parts = build(trial)
            parts.dataset.open(data_root.resolve())
            parts.encoder.weights()
    except NotProvidedError as error:
        return str(error)
    return ""


def histories(folder: Path) -> list[History]:
    """The ledgers of the trials of an experiment as last run; `folder` is the experiment's."""
    return [read_history(folder / entry.fingerprint) for entry in read_grid(folder).entries]


def cpu_seconds(found: list[History]) -> float:
    """What the rounds of all trials took, as their workers measured it."""
    return sum(record.cpu_seconds for history in found for record in history.records)


def environment(where: Places, **options: float) -> Environment:
    """The same folders for a call in this process, with MLflow's database beside the ledgers, as the command has it."""
    runs = where.runs.resolve()
    tracking_uri = sqlite_uri(runs / "mlflow.db")
    return Environment(runs, where.store.resolve(), where.data_root.resolve(), tracking_uri, address=None, **options)

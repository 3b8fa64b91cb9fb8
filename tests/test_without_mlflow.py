"""MLflow is optional: without it runs go on, and commands that are about it state how to install it."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import URL

from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.commands.ledgers import sync
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.tracking.mlflow_address import sqlite_uri
from tests.full_trials import LIGHT


@pytest.fixture
def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)


def test_a_run_states_in_one_line_that_nothing_is_mirrored(tmp_path: Path, without_mlflow: None) -> None:
    runs = tmp_path / "runs"
    environment = Environment(runs, tmp_path / "store", tmp_path / "data", sqlite_uri(runs / "m.db"), executor="local")
    console = Console(file=io.StringIO(), width=200)
    trial = LIGHT.model_copy(update={"rounds": 1})
    assert run_plan(plan(Experiment("tests.grid", (trial,)), environment), environment, console) == 0
    printed = console.file.getvalue()
    about = [line for line in printed.splitlines() if "MLflow" in line]
    assert len(about) == 1
    assert "not installed" in about[0]
    assert "labelbench sync" in about[0]
    assert (runs / "tests.grid/report.html").is_file()
    assert not (runs / "m.db").exists()


def test_sync_states_how_to_install_it(tmp_path: Path, without_mlflow: None) -> None:
    with pytest.raises(ConfigError, match=r"MLflow, which is not installed: .*install"):
        sync.callback(folder=tmp_path, tracking_uri=None)


def test_nothing_that_a_run_imports_needs_it() -> None:
    program = """
import sys
sys.modules["mlflow"] = sys.modules["sqlalchemy"] = None
import labelbench_ray.api.run_plan, labelbench_ray.commands.experiments, labelbench_ray.commands.ledgers
import labelbench_ray.commands.finetune, labelbench_ray.cluster.sweep, labelbench_ray.trial.local
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["plain.db", "a b.db", "50%.db", "why?.db", "ä#&+.db"])
def test_the_address_of_a_sqlite_file_opens_that_file(tmp_path: Path, name: str) -> None:
    from sqlalchemy import make_url

    path = tmp_path / name
    assert make_url(sqlite_uri(path)).database == str(path)
    assert make_url(URL.create("sqlite", database=str(path)).render_as_string()) == make_url(sqlite_uri(path))

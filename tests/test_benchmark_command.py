"""A call in the process of a benchmark writes below the folders that it was given."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_mlflow_s_database_lies_beside_the_ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    command = importlib.import_module("command")
    with command.places(tmp_path) as where:
        found = command.environment(where)
        assert found.tracking_uri == f"sqlite:///{where.runs.resolve()}/mlflow.db"
        assert (found.runs, found.data_root) == (where.runs.resolve(), tmp_path.resolve())

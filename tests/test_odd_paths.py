"""`?`, `#`, `%`, spaces and quotes in the path of runs: MLflow's file and artifacts lie there, and nowhere else."""

import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from labelbench_ray.api.run_plan import sync_command
from labelbench_ray.commands.cli import app
from labelbench_ray.commands.options import environment_options
from labelbench_ray.environment import Environment
from labelbench_ray.storage.remote import place
from labelbench_ray.tracking.mlflow_address import SQLITE, server_command, sqlite_file, sqlite_uri
from labelbench_ray.tracking.mlflow_mirror import mlflow_mirror
from tests.test_sync import EXPERIMENT, folder, record, whole  # noqa: F401  fixtures

NAMES = [
    "plain",
    "a b",
    "a#b",
    "feature%2Fx",
    "50% off",
    "a?b",
    "a?uri=true",
    "aü&b;c",
    'it\'s "$HOME" [bold]',
    "a@b:c",
]
ODD = "50% off #1? ü & co [bold]'s"
every_name = pytest.mark.parametrize("name", NAMES)


@every_name
def test_the_address_of_a_file_opens_that_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "mlflow.db"
    path.parent.mkdir()
    engine = create_engine(sqlite_uri(path))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    engine.dispose()
    assert sqlite_file(sqlite_uri(path)) == path
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    assert [each.name for each in tmp_path.iterdir()] == [name]


@every_name
def test_the_command_of_mlflow_s_server_means_that_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "mlflow.db"
    path.parent.mkdir()
    words, started_in = server_command(sqlite_uri(path))
    begun_in = started_in or Path("/")
    assert words[1:5] == ["-m", "mlflow", "server", "--backend-store-uri"]
    file = sqlite_file(words[5])
    assert file is not None
    assert begun_in / file == path
    assert (begun_in / words[5].removeprefix(SQLITE)).parent.is_dir(), "MLflow makes this folder where there is none"


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:////a%3Fb/x.db", "/a?b/x.db"),
        ("sqlite:////a/x.db?timeout=30", "/a/x.db"),
        ("sqlite:////feature%2Fx/x.db", "/feature/x/x.db"),
        ("sqlite:///:memory:", None),
        ("sqlite:///file:x.db?mode=rw&uri=true", None),
    ],
)
def test_an_address_that_is_given_is_read_as_sqlalchemy_reads_it(uri: str, file: str | None) -> None:
    assert sqlite_file(uri) == (Path(file) if file else None)


def test_sync_writes_below_an_odd_folder_and_nowhere_else(
    tmp_path: Path,
    folder: Path,  # noqa: F811
) -> None:
    record(folder)
    (folder / EXPERIMENT / "report.html").write_text("<html>")
    runs = tmp_path / "odd" / ODD / "runs"
    runs.mkdir(parents=True)
    for name in (EXPERIMENT, "mlflow.db"):
        shutil.move(folder / name, runs / name)
    before = {path.name for path in tmp_path.iterdir()}
    done = CliRunner().invoke(app, ["sync", str(runs)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    assert {path.name for path in runs.glob("mlartifacts/*/artifacts/*")} == {"chosen.csv", "report.html"}
    assert {path.name for path in tmp_path.iterdir()} == before
    assert [each.name for each in (tmp_path / "odd").iterdir()] == [ODD]
    assert {path.name for path in runs.iterdir()} == {EXPERIMENT, "mlflow.db", ".mlflow.db.lock", "mlartifacts"}


def test_a_run_s_mirror_writes_below_an_odd_folder_with_the_default_address(
    tmp_path: Path,
    folder: Path,  # noqa: F811
) -> None:
    directory = record(folder)
    runs = tmp_path / "odd" / ODD / "runs"
    runs.mkdir(parents=True)
    shutil.move(folder / "mlflow.db", runs / "mlflow.db")
    found: list[Environment] = []
    environment_options(lambda environment: found.append(environment) or 0)(
        **dict.fromkeys(Environment.__dataclass_fields__) | {"runs": runs, "address": "host:1", "executor": "ray"}
    )
    mirror = mlflow_mirror(found[0].tracking_uri, EXPERIMENT, runs / "mlartifacts")
    mirror.submit(directory)
    assert mirror.finish(120) == ""
    with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    assert [path.name for path in runs.glob("mlartifacts/*/artifacts/*")] == ["chosen.csv"]
    assert [each.name for each in (tmp_path / "odd").iterdir()] == [ODD]


def test_the_command_that_brings_mlflow_up_to_date_is_quoted_for_a_shell(tmp_path: Path) -> None:
    environment = Environment(tmp_path, tmp_path, tmp_path, tracking_uri="http://me:secret@host/a b", address=None)
    command = sync_command(tmp_path / ODD, environment)
    assert shlex.split(command) == [
        "labelbench", "sync", str(tmp_path / ODD), "--tracking-uri", "http://***@host/a b",
    ]  # fmt: skip


def test_a_file_uri_is_decoded(tmp_path: Path) -> None:
    assert place((tmp_path / ODD).as_uri()) == tmp_path / ODD
    assert place(str(tmp_path / ODD)) == tmp_path / ODD

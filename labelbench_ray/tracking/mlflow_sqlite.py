"""A file with MLflow's schema, whole or absent."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from mlflow.store.db import utils as db_utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.locks import locked

# MLflow creates a database's folder by its quoted name: `a%3Fb` beside `a?b`. `prepare_sqlite` creates the right one.
db_utils._make_parent_dirs_if_sqlite = lambda db_uri: None


IN_MEMORY = "sqlite:///:memory:"


def prepare_sqlite(path: Path) -> None:
    """Have a complete schema at `path`, published at once; a file that a kill left broken is set aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock")):
        if path.exists() and not _has_schema(path):
            path.rename(path.with_name(f"{path.name}.broken-{time.time_ns()}"))
        if not path.exists():
            publish(path, empty_database(path.parent))


def empty_database(artifacts: Path) -> bytes:
    """A file with MLflow's schema and no run, made in memory: on a disk, 1,700 statements wait for flushes.

    Args:
        artifacts: below this folder MLflow keeps those of its default experiment.
    """
    engine = SqlAlchemyStore(IN_MEMORY, str(artifacts)).engine  # type: ignore[no-untyped-call]
    with engine.connect() as connection:
        sqlite = connection.connection.driver_connection
        assert isinstance(sqlite, sqlite3.Connection)
        database = sqlite.serialize()
    engine.dispose()
    return database


def _has_schema(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("SELECT version_num FROM alembic_version").fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise  # for example a writer that keeps it busy; the file is sound
    except sqlite3.DatabaseError:
        return False

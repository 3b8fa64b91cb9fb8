"""A file with MLflow's schema, whole or absent."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from mlflow.store.db import utils as db_utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from labelbench_ray.storage.locks import locked
from labelbench_ray.tracking.mlflow_address import sqlite_uri

# MLflow makes a database's folder, by its quoted name: `a%3Fb` beside `a?b`. `prepare_sqlite` makes the right one.
db_utils._make_parent_dirs_if_sqlite = lambda db_uri: None


def prepare_sqlite(path: Path) -> None:
    """Have a whole schema at `path`: made aside and renamed in; a file that a kill left broken is set aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock")):
        if path.exists() and not _has_schema(path):
            path.rename(path.with_name(f"{path.name}.broken-{time.time_ns()}"))
        if not path.exists():
            draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
            draft.unlink(missing_ok=True)
            SqlAlchemyStore(sqlite_uri(draft), str(path.parent)).engine.dispose()  # type: ignore[no-untyped-call]
            draft.replace(path)


def _has_schema(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("SELECT version_num FROM alembic_version").fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise  # busy, say: somebody writes, and the file is well
    except sqlite3.DatabaseError:
        return False

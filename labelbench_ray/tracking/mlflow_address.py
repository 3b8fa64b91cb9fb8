"""Addresses of MLflow's sqlite files, written and read as SQLAlchemy does, without importing MLflow."""

import shlex
import sys
from pathlib import Path

SQLITE = "sqlite:///"


def sqlite_uri(path: Path) -> str:
    """The address of a sqlite file: `?` and `%` are quoted, or SQLAlchemy would open another file."""
    if not {"?", "%"} & set(str(path)):
        return f"{SQLITE}{path}"
    from sqlalchemy import URL  # a fifth of a second that hardly any path needs

    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def sqlite_file(uri: str) -> Path | None:
    """The file that SQLAlchemy opens at an address that begins with `sqlite:///`.

    None where the address names a database in memory or leaves the name to sqlite (`?uri=true`).
    """
    from sqlalchemy import make_url

    url = make_url(uri)
    named = url.database and url.database != ":memory:" and "uri" not in url.query
    return Path(url.database) if named and url.database else None


def ui_command(uri: str) -> str:
    """The shell command that shows what lies at an address, to be pasted as it is."""
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri"]
    file = sqlite_file(uri) if uri.startswith(SQLITE) else None
    if file is None or uri == f"{SQLITE}{file}":
        return shlex.join([*command, uri])
    # MLflow takes the quoted name of a folder for its name, and makes it. From within the folder, nothing is quoted.
    return f"cd {shlex.quote(str(file.parent))} && {shlex.join([*command, sqlite_uri(Path(file.name))])}"

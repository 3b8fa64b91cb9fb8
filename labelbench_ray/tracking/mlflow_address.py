"""Addresses of MLflow's sqlite files, as SQLAlchemy writes and reads them, without importing MLflow."""

import shlex
import sys
from pathlib import Path

SQLITE = "sqlite:///"


def sqlite_uri(path: Path) -> str:
    """The address of a sqlite file; unquoted, `?` and `%` would make SQLAlchemy open another file."""
    if not {"?", "%"} & set(str(path)):
        return f"{SQLITE}{path}"
    from sqlalchemy import URL  # takes a fifth of a second, and hardly any path needs it

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
    """The shell command that shows the runs at an address, ready to paste."""
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri"]
    file = sqlite_file(uri) if uri.startswith(SQLITE) else None
    if file is None or uri == f"{SQLITE}{file}":
        return shlex.join([*command, uri])
    # MLflow would create a folder with the quoted name. From within the folder, nothing is quoted.
    return f"cd {shlex.quote(str(file.parent))} && {shlex.join([*command, sqlite_uri(Path(file.name))])}"

"""Whether MLflow is installed, and addresses of its sqlite files as SQLAlchemy reads them, without importing either."""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import ConfigError, install_hint
from labelbench_ray.storage.remote import beside

SQLITE = "sqlite:///"


def is_installed() -> bool:
    """Whether this Python has MLflow, which is optional."""
    return find_spec("mlflow") is not None


def require_mlflow(command: str) -> None:
    """Refuse a command that is about MLflow where it is not installed."""
    if not is_installed():
        raise ConfigError(f"`labelbench {command}` needs MLflow, which is not installed: {install_hint('mlflow')}")


def sqlite_uri(path: Path) -> str:
    """The address of a sqlite file; unquoted, `?` and `%` would make SQLAlchemy open another file."""
    return f"{SQLITE}{str(path).replace('%', '%25').replace('?', '%3F')}"


def sqlite_file(uri: str) -> Path | None:
    """The file that SQLAlchemy opens at an address that begins with `sqlite:///`.

    None where the address names a database in memory or leaves the name to sqlite (`?uri=true`).
    """
    from sqlalchemy import make_url

    url = make_url(uri)
    named = url.database and url.database != ":memory:" and "uri" not in url.query
    return Path(url.database) if named and url.database else None


def server_command(uri: str) -> tuple[list[str], Path | None]:
    """The command that serves the runs at an address, and the folder to start it in; None: any."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri"]
    file = sqlite_file(uri) if uri.startswith(SQLITE) else None
    if file is None or uri == f"{SQLITE}{file}":
        return [*command, uri], None
    # MLflow would create a folder with the quoted name. From within the folder, nothing is quoted.
    return [*command, sqlite_uri(Path(file.name))], file.parent


def show_command(runs: Path, uri: str) -> str:
    """The shell command that shows the runs of a folder in MLflow, ready to paste, without a password."""
    default = uri == sqlite_uri(beside(runs) / "mlflow.db")
    return shlex.join(["labelbench", "mlflow", str(runs), *([] if default else ["--tracking-uri", redacted(uri)])])

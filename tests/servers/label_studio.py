"""A real Label Studio on loopback, in an environment of its own: its pins are never ours.

The folder that the environment variable LABEL_STUDIO_ENVIRONMENT names holds the environment (1 GB, installed once by
pip) and a prepared data folder: a first start takes a minute, a start from a copy of that folder ten seconds.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from labelbench_ray.storage.locks import locked
from tests.servers.mlflow_server import free_port

FOLDER = "LABEL_STUDIO_ENVIRONMENT"
VERSION = "1.23.2"
PREPARED = "prepared"
LEGACY_TOKEN = "ab12" * 10
EMAIL, PASSWORD = "ann@example.com", "Secret-12345"
SECONDS = 1800.0
"""For its first start on a busy machine: a database is made by hundreds of migrations."""
QUIET = {
    "DJANGO_DB": "sqlite",
    "COLLECT_ANALYTICS": "False",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "False",
    "SSRF_PROTECTION_ENABLED": "false",
    "USE_DEFAULT_BANNED_SUBNETS": "false",
    "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
}


class NotInstalledError(Exception):
    """The reason why there is no Label Studio here."""


@dataclass(frozen=True)
class LabelStudioServer:
    """A running server and its first user's token."""

    url: str
    documents: Path
    """The folder below which it may show files."""
    token: str = LEGACY_TOKEN

    def call(self, method: str, path: str, **options: Any) -> Any:
        """A call of its API, as the first user."""
        response = self._answered(method, path, **options)
        return response.json() if response.content else None

    def file(self, path: str) -> bytes:
        """What a task's page loads."""
        return self._answered("GET", path).content

    def _answered(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Token {self.token}"}
        response = requests.request(method, self.url + path, headers=headers, timeout=120, **options)
        assert response.ok, (response.status_code, response.text[:500])
        return response

    def user(self, email: str) -> int:
        """Another user of the same organization."""
        number: int = self.call("POST", "/api/users/", json={"email": email, "username": email, "password": PASSWORD})[
            "id"
        ]
        return number


def installed() -> Path:
    """The environment's folder; installs Label Studio there once.

    Raises:
        NotInstalledError: no folder is named, or pip cannot install it.
    """
    if not (named := os.environ.get(FOLDER)):
        raise NotInstalledError(f"{FOLDER} names no folder to install Label Studio into (1 GB)")
    folder = Path(named).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):  # processes of one test session begin together
        if not (folder / "bin" / "label-studio").is_file():
            _install(folder)
        if not (folder / PREPARED).is_dir():
            _prepare(folder)
    return folder


def _install(folder: Path) -> None:
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", f"label-studio=={VERSION}"]
    for command in ([sys.executable, "-m", "venv", str(folder)], pip):
        made = subprocess.run(command, capture_output=True, text=True, env=_environment())
        if made.returncode:
            raise NotInstalledError(f"{' '.join(command)}: {made.stderr[-500:]}")


def _prepare(folder: Path) -> None:
    draft = folder / f"{PREPARED}.draft"
    shutil.rmtree(draft, ignore_errors=True)  # of a first start that broke off
    with _running(folder, draft, folder):
        pass
    draft.rename(folder / PREPARED)


@contextmanager
def label_studio(scratch: Path) -> Iterator[LabelStudioServer]:
    """A server with an empty database of its own, while the block runs."""
    folder = installed()
    shutil.copytree(folder / PREPARED, scratch / "data")
    (scratch / "documents").mkdir()
    with _running(folder, scratch / "data", scratch / "documents") as server:
        yield server


@contextmanager
def _running(folder: Path, data: Path, documents: Path) -> Iterator[LabelStudioServer]:
    data.mkdir(exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(folder / "bin" / "label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1"]
    command += [
        "--port",
        str(port),
        "--host",
        url,
        "--data-dir",
        str(data),
        "--username",
        EMAIL,
        "--password",
        PASSWORD,
    ]
    command += ["--user-token", LEGACY_TOKEN, "--enable-legacy-api-token"]
    variables = {"LABEL_STUDIO_BASE_DATA_DIR": str(data), "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(documents)}
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=data, env=_environment() | QUIET | variables, start_new_session=True
        )
    try:
        _wait(process, url, data / "server.log")
        yield LabelStudioServer(url, documents)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment() -> dict[str, str]:
    """Without what would make its Python import ours."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    limit = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < limit:
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            if response.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"Label Studio did not start: {log.read_text(errors='replace')[-2000:]}")

"""MLflow's own server on loopback, quiet, with one worker, which ends together with all of its processes."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from labelbench_ray.errors import ConfigError
from labelbench_ray.tracking.mlflow_address import server_command

HOST: Final = "127.0.0.1"
STARTING_SECONDS: Final = 120.0
ENDING_SECONDS: Final = 3.0
"""What the server gets to end in order before it is killed."""
QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # jobs of MLflow's own, for which it would start more processes
}
LAST_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.port}"


@contextmanager
def serving(uri: str, port: int | None) -> Iterator[Server]:
    """A server of the runs at an address; `port`: None for any that is free.

    Raises:
        ConfigError: the port is taken, or the server does not start.
    """
    port = _free_port(port)
    words, folder = server_command(uri)
    words += ["--host", HOST, "--port", str(port), "--workers", "1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=os.environ | QUIET,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a group of its own: Ctrl-C reaches this process alone, which then ends the group
        )
        try:
            server = Server(port, process)
            _wait(server, log)
            yield server
        finally:
            _end(process)


def _wait(server: Server, log: IO[bytes]) -> None:
    limit = time.monotonic() + STARTING_SECONDS
    while not _answers(server):
        if server.process.poll() is not None or time.monotonic() > limit:
            log.seek(0)
            last = " ".join(log.read().decode(errors="replace").split("\n")[-LAST_LINES:]).strip()
            raise ConfigError(f"MLflow's server did not start; it printed: {last or 'nothing'}")
        time.sleep(0.1)


def _answers(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDING_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
        except OSError as error:
            raise ConfigError(f"--port {wanted}: {error.strerror}; leave it out for one that is free") from error
        return int(probe.getsockname()[1])

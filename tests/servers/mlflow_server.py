"""Servers on loopback for tests: PostgreSQL, an S3 and MLflow's own, each stopped with the process that started it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

SECONDS = 90.0
"""To wait for a server; MLflow's takes ten to start on an idle machine."""
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # of MLflow's own jobs, for which it would start more processes
    "OMP_NUM_THREADS": "1",
}


@dataclass
class MlflowServer:
    """`mlflow server` in a process of its own, that can be killed and started again at the same address."""

    backend: str
    """The address of its database."""
    artifacts: str
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_port())
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Start it, and do not wait."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", self.backend, "--artifacts-destination", self.artifacts]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=os.environ | QUIET | self.environment, start_new_session=True
            )

    def wait(self) -> None:
        """Until it answers."""
        limit = time.monotonic() + SECONDS
        while not self._answers():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < limit, self.log.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9 of the server and its worker."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False


@contextmanager
def mlflow_server(backend: str, artifacts: str, log: Path, **environment: str) -> Iterator[MlflowServer]:
    """An MLflow server that answers."""
    server = MlflowServer(backend, artifacts, log, environment)
    try:
        server.launch()
        server.wait()
        yield server
    finally:
        server.kill()


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them out of PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return folders[-1] if folders else Path(found).resolve().parent if found else None


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """An empty PostgreSQL; yields its address. It refuses to run as root, so nobody runs it then."""
    user = "nobody" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="labelbench-pg-", dir="/tmp") as folder:
        if user:
            found = pwd.getpwnam(user)
            os.chown(folder, found.pw_uid, found.pw_gid)
        owner = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        port, data = free_port(), f"{folder}/data"

        def call(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(programs / program), *arguments], check=True, capture_output=True, cwd=folder, timeout=60, **owner
            )

        call("initdb", "--pgdata", data, "--username", "mlflow", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c shared_buffers=16MB"
        call("pg_ctl", "start", "--pgdata", data, "--wait", "--log", f"{folder}/log", "--options", options)
        try:
            call("createdb", "--host", "127.0.0.1", "--port", str(port), "--username", "mlflow", "mlflow")
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/mlflow"
        finally:
            call("pg_ctl", "stop", "--pgdata", data, "--mode", "immediate")


@dataclass(frozen=True)
class S3:
    """An S3 server with one bucket."""

    address: str
    bucket: str

    @property
    def environment(self) -> dict[str, str]:
        """For the one process that may talk to it."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def s3() -> Iterator[S3]:
    """An S3 server in a thread."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = S3(f"http://{host}:{port}", "artifacts")
        client_of(found).create_bucket(Bucket=found.bucket)
        yield found
    finally:
        server.stop()


def client_of(server: S3) -> Any:
    """A client of its own, not MLflow's."""
    return boto3.client(
        "s3",
        endpoint_url=server.address,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])

"""`ray job submit` against a cluster on loopback, with token authentication, as the README tells."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Cluster:
    """A running head node."""

    dashboard: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Cluster]:
    """A head node of its own, in a process group of its own, so that nobody else's Ray is touched."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment["PATH"] = f"{BIN}:{environment['PATH']}"
    dashboard = free_port()
    temporary = Path("/tmp") / f"lb{os.getpid()}"  # Ray's sockets do not fit below pytest's long path
    words = ["start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
    # The agent's port too: the other cluster of these tests has the default one, and without an agent no job starts.
    ports = [f"--port={free_port()}", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={free_port()}"]
    ports.append(f"--temp-dir={temporary}")
    with (tmp_path / "head.log").open("wb") as log:
        node = subprocess.Popen(
            [BIN / "ray", *words, *ports], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Cluster(f"http://127.0.0.1:{dashboard}", environment)
    finally:
        node.send_signal(signal.SIGINT)
        try:
            node.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait(30)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def submit(head: Cluster, working_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [BIN / "ray", "job", "submit", "--address", head.dashboard, "--working-dir", working_dir, "--", *words]
    return subprocess.run(command, env=head.environment, capture_output=True, text=True, timeout=240, check=False)


def test_an_experiment_runs_as_a_job(head: Cluster, tmp_path: Path) -> None:
    working_dir = tmp_path / "work"
    (working_dir / "experiments").mkdir(parents=True)
    shutil.copy(ROOT / "experiments/quickstart.py", working_dir / "experiments")
    folders = ("--runs", str(tmp_path / "runs"), "--store", str(tmp_path / "store"))
    for _ in range(10):
        done = submit(head, working_dir, "labelbench", "run", "experiments/quickstart.py", "--tiny", *folders)
        if "submitted successfully" in done.stdout + done.stderr:
            break
        time.sleep(2)  # the head's job agent needs a while to come up
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 trials done, 0 failed" in done.stdout
    assert len(list((tmp_path / "runs/quickstart.quickstart").glob("*/rounds/001.json"))) == 40
    assert (tmp_path / "runs/quickstart.quickstart/report.html").exists()

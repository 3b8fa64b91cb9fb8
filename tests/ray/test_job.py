"""`ray job` against a cluster on loopback, with token authentication, as docs/clusters.md describes."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from benchmarks import processes

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Cluster:
    """A running head node."""

    dashboard: str
    environment: dict[str, str]
    address: str
    session: int
    """Of all its processes, its workers' included."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head node of its own, in a process group of its own, so that nobody else's Ray is touched."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"RAY_worker_niceness": "0"}
    environment |= {"PATH": f"{BIN}:{environment['PATH']}", "PYTHONPATH": str(ROOT)}  # the package beside this test
    dashboard, port = free_port(), free_port()
    temporary = Path("/tmp") / f"lb{os.getpid()}"  # Ray's sockets do not fit below pytest's long path
    words = ["start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
    # The agent's port too: the other cluster of these tests has the default one, and without an agent no job starts.
    ports = [f"--port={port}", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={free_port()}"]
    ports.append(f"--temp-dir={temporary}")
    with (tmp_path_factory.mktemp("head") / "head.log").open("wb") as log:
        node = subprocess.Popen(
            [BIN / "ray", *words, *ports], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield Cluster(f"http://127.0.0.1:{dashboard}", environment, f"127.0.0.1:{port}", node.pid)
    finally:
        node.send_signal(signal.SIGINT)
        try:
            node.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait(30)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


MINE = """from labelbench_ray.config import Part, Trial, grid

def mine() -> list[Trial]:
    base = Trial(
        dataset=Part.of("digits", max_rows=300), encoder="pixels", strategy="random", trainer="logistic",
        seed=0, rounds=3, budget=20,
    )
    return grid(base, strategy=["random", Part.of("mine.held", gate={gate!r})])
"""
SUBMITTED = re.compile(r"Job '(\S+)' submitted successfully")


def ray_job(head: Cluster, verb: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [BIN / "ray", "job", verb, "--address", head.dashboard, *words]
    return subprocess.run(command, env=head.environment, capture_output=True, text=True, timeout=240, check=False)


def submit(head: Cluster, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Submit the experiment, the head's job agent permitting: it needs a while to come up."""
    entrypoint = ("labelbench", "run", "experiments/mine.py")
    places = ("--working-dir", folder / "work", "--runtime-env", folder / "runtime-env.yaml")
    for _ in range(10):
        done = ray_job(head, "submit", *places, *words, "--", *entrypoint)
        if "submitted successfully" in done.stdout + done.stderr:
            break
        time.sleep(2)
    return done


def write_work(folder: Path, gate: Path) -> None:
    """What is uploaded (an experiment, a strategy of its own, a file that is left out), and the settings."""
    work = folder / "work"
    for name, text in {
        "experiments/mine.py": MINE.format(gate=str(gate)),
        "mine/__init__.py": "",
        "mine/held.py": Path(__file__).with_name("held.py").read_text(),
        "data/large": "not for the cluster",
    }.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    given = yaml.safe_load((ROOT / "deploy/runtime-env.yaml").read_text())
    given["env_vars"] |= {"LABELBENCH_CPUS_PER_TRIAL": "2"}  # one trial at a time
    # Where the records lie is a setting here, so that they prove that settings arrive.
    given["env_vars"] |= {f"LABELBENCH_{name.upper()}": str(folder / name) for name in ("runs", "store")}
    (folder / "runtime-env.yaml").write_text(yaml.safe_dump(given))


def records(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("runs/mine.mine/*/rounds/*.json")}


def test_a_job_that_is_stopped_goes_on_when_submitted_again(head: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    write_work(tmp_path, gate)
    first = submit(head, tmp_path, "--no-wait")
    assert first.returncode == 0, first.stdout + first.stderr
    name = SUBMITTED.search(first.stdout + first.stderr)
    assert name
    job, limit = name[1], time.monotonic() + 240
    # One trial of three rounds is done, one waits in its second round.
    while len(records(tmp_path)) < 4:
        assert time.monotonic() < limit, ray_job(head, "logs", job).stdout
        time.sleep(0.1)
    finished = records(tmp_path)
    stopped = ray_job(head, "stop", job)
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    log = ray_job(head, "logs", job).stdout
    assert "1 trials done, 0 failed, 1 not finished" in log
    assert "interrupted by SIGTERM; what is finished is recorded, and submit the same entrypoint again" in log
    assert "Traceback" not in log
    supervisor = Path(f"/tmp/lb{os.getpid()}/session_latest/logs/jobs/supervisor-{job}.log")
    assert "has been terminated gracefully with SIGTERM" in supervisor.read_text()
    gate.unlink()
    second = submit(head, tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "1 trials done, 0 failed, 0 not finished; 1 were done before" in second.stdout
    done = records(tmp_path)
    assert len(done) == 6
    assert finished.items() <= done.items()
    assert (tmp_path / "runs/mine.mine/report.html").exists()
    assert not list(Path(f"/tmp/lb{os.getpid()}").glob("session_*/runtime_resources/working_dir_files/*/data/large"))


def test_without_the_token_nobody_submits(head: Cluster, tmp_path: Path) -> None:
    stranger = replace(head, environment=head.environment | {"RAY_AUTH_TOKEN": secrets.token_hex(32)})
    refused = ray_job(stranger, "submit", "--no-wait", "--", "true")
    assert refused.returncode != 0
    assert "authentication token" in refused.stdout + refused.stderr


def test_a_command_whose_cluster_is_lost_ends_and_says_how_to_go_on(
    head: Cluster, tmp_path: Path, digits_store: Path
) -> None:
    """Kills the head, so no test comes after it."""
    write_work(tmp_path, tmp_path / "gate")
    (tmp_path / "gate").touch()
    program = (
        f"import sys; sys.argv[:] = ['labelbench', 'run', 'experiments/mine.py', '--address', {head.address!r}, "
        f"'--runs', {str(tmp_path / 'runs')!r}, '--store', {str(digits_store)!r}, '--cpus-per-trial', '2']; "
        "from labelbench_ray.cluster import session; session.ASKED_SECONDS, session.LOST_SECONDS = 0.5, 2; "
        "from labelbench_ray.commands.cli import main; main()"
    )
    path = f"{tmp_path / 'work'}:{head.environment['PYTHONPATH']}"
    driver = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path / "work",
        env=head.environment | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 240
    while not records(tmp_path):
        assert time.monotonic() < limit
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.1)
    processes.end_members(head.session)
    errors = driver.communicate(timeout=30)[1]
    assert driver.returncode == 1
    # Ray puts the machine's own address for 127.0.0.1.
    assert re.search(rf"the head of the Ray cluster at \S+:{head.address.partition(':')[2]} has not answered", errors)
    assert "the same command goes on: labelbench run experiments/mine.py" in errors
    assert "Traceback" not in errors

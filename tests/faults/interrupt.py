"""Ctrl-C and SIGTERM in every phase of a run: it ends within seconds, in one line, and nothing of it is left.

.venv/bin/python -m tests.faults.interrupt [--phases planning embedding ...] [--signals SIGINT SIGTERM]

Measured, for each phase and signal: the command is started in a session of its own, and the signal is sent when the
phase has begun: SIGINT to the whole process group, as a terminal does, SIGTERM to the driver alone, as a job server
does. Afterwards: the exit status (130, 143), the seconds that the end took, that the last line says how to go on, that
no traceback was printed, that nothing listened on more than loopback, and that no process of the session lives. At the
end the same command runs to its end: no lock blocks it, and what was finished before a signal is the same file still.
Exit status 1 if something does not hold.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from socket import socket

import psutil

from benchmarks.command import ROOT
from benchmarks.machine import parser, show
from benchmarks.processes import end_members, members, start, wait_for_members

EXPERIMENT = """import time
from pathlib import Path
from labelbench_ray.config import FineTune, Part, Trial, grid

def interrupted() -> list[Trial]:
    if Path("hold-planning").exists():
        Path("planning").touch()
        time.sleep(300)
    long = {"epochs": 20_000, "patience": 20_000, "batch_size": 10, "warmup_steps": 0}
    base = Trial(
        dataset=Part.of("digits", max_rows=600), encoder="tests.tiny_encoder", strategy="random",
        trainer=Part.of("supervised", epochs=100, patience=100), seed=0, rounds=4, budget=20,
        finetune=FineTune(model=Part.of("full_model", validation_rows=20), trainer=Part.of("supervised", **long)),
    )
    return grid(base, strategy=["random", "margin"], seed=range(2))
"""
RECORDS = "runs/interrupted.interrupted/*/rounds/*.json"
ENDS_WITHIN, LEFT_WITHIN, BEGINS_WITHIN = 20.0, 10.0, 300.0
"""Seconds: an end counts as a hang after so many; its processes may live so much longer; a phase begins within."""


@dataclass(frozen=True)
class Begun:
    """What may show that a phase has begun."""

    folder: Path
    log: Path
    session: int
    started: float
    old: frozenset[Path]
    """Files that were there before."""

    def said(self, words: str) -> bool:
        """The command has printed this."""
        return words in self.log.read_text()

    def found(self, pattern: str) -> bool:
        """There is such a file, and it is new."""
        return not self.old.issuperset(self.folder.glob(pattern))


@dataclass(frozen=True)
class Phase:
    """Where a command is when the signal comes."""

    verb: str
    begun: Callable[[Begun], bool]
    all_done: bool = False
    """It comes after all trials are done, so it is met once they are."""


# In the order in which they are tried: until the trials are done, and after.
PHASES = {
    "importing": Phase("run", lambda seen: time.monotonic() - seen.started > 0.3),
    "planning": Phase("run", lambda seen: seen.found("planning")),
    "starting Ray": Phase("run", lambda seen: len(members(seen.session)) > 1),
    "embedding": Phase("run", lambda seen: seen.found("store/*/lock")),
    "sweep": Phase("run", lambda seen: seen.found(RECORDS)),
    "report": Phase("run", lambda seen: seen.said("nothing to run"), all_done=True),
    "waiting for MLflow": Phase("run", lambda seen: seen.said("report: "), all_done=True),
    "fine-tune": Phase(
        "finetune", lambda seen: seen.found("runs/interrupted.interrupted/*/finetune/*/lock"), all_done=True
    ),
}


@dataclass(frozen=True)
class Case:
    """How one interrupt ended."""

    phase: str
    signal: str
    status: int
    seconds: float
    says_how_to_go_on: bool
    traceback: bool
    processes_left: int
    listens_to_all: tuple[str, ...]
    """Addresses that are not of this machine alone, on which something of it listened."""

    @property
    def met(self) -> bool:
        """All that is asked for."""
        right = self.status == 128 + signal.Signals[self.signal] and self.says_how_to_go_on
        alone = not self.processes_left and not self.listens_to_all
        return right and alone and not self.traceback and self.seconds < ENDS_WITHIN


def main() -> None:
    """Interrupt and show."""
    options = parser(__doc__)
    options.add_argument("--phases", nargs="+", choices=list(PHASES), default=list(PHASES))
    options.add_argument("--signals", nargs="+", choices=["SIGINT", "SIGTERM"], default=["SIGINT", "SIGTERM"])
    arguments = options.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)  # of the commands: the package and the encoder that lie beside this script
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        (folder / "interrupted.py").write_text(EXPERIMENT)
        os.chdir(folder)
        chosen = [phase for phase in PHASES if phase in arguments.phases]
        cases = [
            interrupt(folder, phase, each)
            for phase in chosen
            if not PHASES[phase].all_done
            for each in arguments.signals
        ]
        before = records(folder)
        with (folder / "end.log").open("wb") as log:
            ended = subprocess.run(line(folder, "run"), stdout=log, stderr=log, check=False).returncode
        changed = [str(path) for path, data in before.items() if records(folder).get(path) != data]
        cases += [
            interrupt(folder, phase, each) for phase in chosen if PHASES[phase].all_done for each in arguments.signals
        ]
    measured = {"cases": [asdict(case) for case in cases], "status_at_the_end": ended, "records_changed": changed}
    met = all(case.met for case in cases) and ended == 0 and not changed
    show("interrupt", measured, {"seconds": ENDS_WITHIN, "processes_left": 0, "records_changed": []}, met=met)
    sys.exit(0 if met else 1)


def interrupt(folder: Path, phase: str, name: str) -> Case:
    """Start the command, and send the signal when the phase has begun."""
    log = folder / f"{phase}-{name}.log"
    hold = folder / "hold-planning"
    for path in (hold, folder / "planning", *folder.rglob("lock")):
        path.unlink(missing_ok=True)
    if phase == "planning":
        hold.touch()
    old = frozenset(folder.rglob("*"))
    with silent_server() as uri:
        words = [f"--tracking-uri={uri}"] if phase == "waiting for MLflow" else []
        process = start([*line(folder, PHASES[phase].verb), *words], log)
        seen = Begun(folder, log, process.pid, time.monotonic(), old)
        while process.poll() is None and not PHASES[phase].begun(seen):
            if time.monotonic() - seen.started > BEGINS_WITHIN:
                end_members(process.pid)
                raise AssertionError(f"{phase} never began: {log.read_text()}")
            time.sleep(0.01)
        open_to_all = listening(process.pid)
        sent = time.monotonic()
        (os.killpg if name == "SIGINT" else os.kill)(process.pid, signal.Signals[name])
        status = wait(process)
        seconds = time.monotonic() - sent
    hold.unlink(missing_ok=True)
    wait_for_members(process.pid, LEFT_WITHIN)
    said = log.read_text()
    last = said.strip().rpartition("\n")[2]
    case = Case(
        phase, name, status, seconds, last.startswith(f"interrupted by {name}; what is finished is recorded"),
        "Traceback" in said, end_members(process.pid), open_to_all,
    )  # fmt: skip
    if not case.met:
        print(said, file=sys.stderr)
    return case


def listening(session: int) -> tuple[str, ...]:
    """Where the processes of a session take connections from other machines."""
    ours = set(members(session))
    return tuple(
        f"{each.laddr.ip}:{each.laddr.port}"
        for each in psutil.net_connections("tcp")
        if each.pid in ours and each.status == psutil.CONN_LISTEN and not _loopback(each.laddr.ip)
    )


def _loopback(address: str) -> bool:
    found = ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def wait(process: "subprocess.Popen[bytes]") -> int:
    """The exit status; -9 of one that has to be killed."""
    try:
        return process.wait(ENDS_WITHIN * 2)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of an MLflow server that takes connections and never answers."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def line(folder: Path, verb: str) -> list[str]:
    """The command."""
    places = [f"--{name}={folder / name}" for name in ("runs", "store")]
    return [sys.executable, "-m", "labelbench_ray", verb, "interrupted.py", *places]


def records(folder: Path) -> dict[Path, bytes]:
    """What is finished."""
    return {path: path.read_bytes() for path in folder.glob(RECORDS)}


if __name__ == "__main__":
    main()

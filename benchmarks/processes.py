"""Commands in a session of their own: everything that they start, Ray's actors included, can be found and ended."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a new session and process group, its output appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)


def members(session: int) -> list[int]:
    """The processes of a session. Ray's actors leave the process group, not the session."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and _session(folder) == session:
                found.append(int(folder.name))
    return found


def status_kib(what: str, pid: int | str = "self") -> int:
    """A line of /proc/PID/status, in KiB; 0 for one that is not there."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1])
    return 0


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """kill -9 of the process group: Ray's actors are left to die by themselves, which takes them a while."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_session(process: "subprocess.Popen[bytes]") -> None:
    """kill -9 of all that the command started: the machine's power is cut."""
    end_members(process.pid)
    process.wait()


def end_members(session: int) -> int:
    """Kill what is left of a session of ours; returns how many processes that were."""
    left = members(session)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(left)


def wait_for_members(session: int, seconds: float) -> None:
    """Wait until a session has ended by itself, at most so long."""
    limit = time.monotonic() + seconds
    while members(session) and time.monotonic() < limit:
        time.sleep(0.2)


def _session(folder: Path) -> int:
    # After the name in parentheses: state, parent, group, session. Zombies hold nothing any more.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[3])

"""A command run to its end, and what its processes took: CPU seconds by role, and the driver's memory."""

import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from os import sysconf
from pathlib import Path

import numpy as np
from processes import end_members, members, start

SECONDS_BETWEEN = 0.25
"""Reading all processes costs CPU seconds on the same cores."""
TICKS = sysconf("SC_CLK_TCK")
SERVERS = ("gcs_server", "raylet", "log_monitor", "dashboard", "monitor.py", "runtime_env", "agent.py")


@dataclass
class Sampled:
    """What was seen of a command's processes."""

    cpu: dict[int, float] = field(default_factory=dict)
    """CPU seconds so far, by process."""
    roles: dict[int, str] = field(default_factory=dict)
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Second, and the driver's KiB."""
    began: float = field(default_factory=time.time)
    wall: float = 0.0
    total: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """Second, and the CPU seconds so far by role."""

    def between(self, first: float, last: float, role: str | None = None) -> float:
        """CPU seconds of all processes, or of one role, between two moments."""
        seconds = [second for second, _ in self.total]
        spent = [sum(roles.values()) if role is None else roles.get(role, 0.0) for _, roles in self.total]
        before, after = np.interp([first, last], seconds, spent)
        return float(after - before)

    def by_role(self) -> dict[str, float]:
        """CPU seconds so far."""
        sums: dict[str, float] = defaultdict(float)
        for pid, seconds in self.cpu.items():
            sums[self.roles[pid]] += seconds
        return dict(sums)


def sample(line: list[str], log: Path, seconds_between: float = SECONDS_BETWEEN) -> Sampled:
    """Run a command to its end and watch its session; what it prints goes to `log`.

    A process that ends counts as far as it was last seen.
    """
    sampled = Sampled()
    began = time.monotonic()
    process = start(line, log)
    try:
        while process.poll() is None:
            for pid in members(process.pid):
                with suppress(OSError):  # it has ended meanwhile
                    _update(sampled, pid, driver=process.pid)
            sampled.total.append((time.time(), sampled.by_role()))
            time.sleep(seconds_between)
    finally:
        end_members(process.pid)
    assert process.returncode == 0, log.read_text()
    sampled.wall = time.monotonic() - began
    return sampled


def _update(sampled: Sampled, pid: int, driver: int) -> None:
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    sampled.cpu[pid] = (int(fields[11]) + int(fields[12])) / TICKS
    line = (folder / "cmdline").read_text()
    is_server = any(name in line for name in SERVERS)
    sampled.roles[pid] = "driver" if pid == driver else "server" if is_server else "worker"
    if pid == driver:
        status = (folder / "status").read_text()
        sampled.memory.append((time.time(), int(status.partition("RssAnon:")[2].split()[0])))

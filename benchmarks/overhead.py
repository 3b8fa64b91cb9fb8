"""What a trial of a sweep costs beyond the loop itself: CPU seconds of driver and workers, and the driver's memory.

.venv/bin/python benchmarks/overhead.py [--trials 2000] [--tracking-uri URI]

Measured: `labelbench run` of tiny trials (digits, 300 rows, two rounds of 20 labels, a logistic probe) on a finished
store, against the same trials folded one after another by the plain loop in one process, without Ray, Tune or MLflow.
Ten times a second the CPU seconds of every process of the command's session are read, by role: the driver, the workers
(all processes that Ray starts for our code), Ray's own servers. All of it counts, from the start of Python, once up to
the last round's record (the sweep) and once to the end (with MLflow's rest and the report). Of the plain loop only the
trials count, not its imports. The busy share of the cores is all of these CPU seconds from the start of the first trial
to the end of the last one, over the wall time in between and the cores. The driver's memory is its private resident
memory (`RssAnon`); its growth is a straight line through the second half of the trials.
"""

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from os import sched_getaffinity, sysconf
from pathlib import Path

import numpy as np
from command import ROOT, Places, command, histories, places, run
from machine import parser, show
from processes import end_members, members, start

from labelbench_ray.ledger.state import TrialState, trial_state

AT_MOST_SECONDS = 0.1
AT_MOST_KIB = 10.0
"""What a trial may leave in the driver's memory: beyond it the memory is not flat."""
SECONDS_BETWEEN = 0.1
TICKS = sysconf("SC_CLK_TCK")
SERVERS = ("gcs_server", "raylet", "log_monitor", "dashboard", "monitor.py", "runtime_env", "agent.py")
GRID = """from labelbench_ray.config import Part, Trial, grid

BASE = Trial(
    dataset=Part.of("digits", max_rows=300),
    encoder=Part(name="pixels"),
    strategy=Part(name="random"),
    trainer=Part(name="logistic"),
    seed=0,
    rounds=2,
    budget=20,
)


def many() -> list[Trial]:
    return grid(BASE, strategy=["random", "margin", "confidence", "entropy"], seed=range({seeds}))
"""
STRATEGIES = 4
PLAIN = """import sys, time
from pathlib import Path
from labelbench_ray.trial import parts
from labelbench_ray.planning.experiment import load
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.trial.loop import Loop
from labelbench_ray.embeddings.store import EmbeddingStore

name, store, runs = sys.argv[1:]
trials = load(name).trials
before = time.process_time()
opened = EmbeddingStore.open(Path(store) / parts.build(trials[0]).embedding)
embedded = opened.arrays()
for trial in trials:
    built = parts.build(trial)
    header = Header(
        fingerprint=built.fingerprint, trial=trial, store=opened.manifest.content, compute="", versions={}
    )
    with Ledger.open(Path(runs) / built.fingerprint, header) as ledger:
        list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())
print(time.process_time() - before)
"""


@dataclass
class Sampled:
    """What was seen of a command's processes."""

    cpu: dict[int, float] = field(default_factory=dict)
    """CPU seconds so far, by process."""
    roles: dict[int, str] = field(default_factory=dict)
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Second, and the driver's KiB."""
    wall: float = 0.0
    total: list[tuple[float, float]] = field(default_factory=list)
    """Second, and the CPU seconds of all processes so far."""

    def busy_share(self, first: float, last: float) -> float:
        """The part of the cores that was busy between two moments."""
        seconds, cpu = np.array(self.total).T
        before, after = np.interp([first, last], seconds, cpu)
        return float((after - before) / (last - first) / len(sched_getaffinity(0)))

    def by_role(self) -> dict[str, float]:
        """CPU seconds so far."""
        sums: dict[str, float] = defaultdict(float)
        for pid, seconds in self.cpu.items():
            sums[self.roles[pid]] += seconds
        return dict(sums)


def main() -> None:
    """Embed, run both ways and show."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=2000)
    options.add_argument("--tracking-uri", help="MLflow's; default: sqlite; one that does not answer leaves it out")
    arguments = options.parse_args()
    tracking = [f"--tracking-uri={arguments.tracking_uri}"] if arguments.tracking_uri else []
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder, places(arguments.data_root) as where:
        (Path(folder) / "tiny.py").write_text(GRID.format(seeds=arguments.trials // STRATEGIES))
        experiment = f"{Path(folder) / 'tiny.py'}:many"
        run("embed", experiment, where)
        plain = plain_seconds(experiment, where, Path(folder) / "plain")
        ledgers, log = where.runs / "tiny.many", Path(folder) / "log"
        sampled = sample([*command("run", experiment, where), *tracking], log)
        print(log.read_text(), file=sys.stderr)
        found = histories(ledgers)
        began = min(path.stat().st_mtime for path in ledgers.glob("*/trial.json"))
        ends = sorted(
            max(path.stat().st_mtime for path in each.parent.glob("rounds/*.json"))
            for each in ledgers.glob("*/trial.json")
        )
    assert all(trial_state(history, history.header.trial.rounds) is TrialState.DONE for history in found)
    trials = len(found)
    whole = sampled.by_role()
    ours = whole["driver"] + whole["worker"]
    overhead = (ours - plain) / trials
    growth = slope(sampled.memory, ends)
    measured = {
        "trials": trials,
        "plain_cpu_seconds_a_trial": plain / trials,
        "cpu_seconds": whole,
        "overhead_cpu_seconds_a_trial": overhead,
        "with_rays_servers": (sum(whole.values()) - plain) / trials,
        "driver_kib_a_trial": growth,
        "driver_peak_mib": max(kib for _, kib in sampled.memory) / 1024,
        "wall_seconds": sampled.wall,
        "wall_seconds_of_the_trials": ends[-1] - began,
        "busy_share_of_the_cores": sampled.busy_share(began, ends[-1]),
    }
    target = {"overhead_cpu_seconds_a_trial": AT_MOST_SECONDS, "driver_kib_a_trial": AT_MOST_KIB}
    show("overhead", measured, target, met=overhead <= AT_MOST_SECONDS and growth <= AT_MOST_KIB)


def plain_seconds(experiment: str, where: Places, runs: Path) -> float:
    """CPU seconds of all trials, folded by the plain loop in a process of its own."""
    line = [sys.executable, "-c", PLAIN, experiment, str(where.store), str(runs)]
    printed = subprocess.run(line, stdout=subprocess.PIPE, check=True, cwd=ROOT, text=True).stdout
    return float(printed)


def sample(line: list[str], log: Path) -> Sampled:
    """Run a command to its end and watch its session."""
    sampled = Sampled()
    began = time.monotonic()
    process = start(line, log)
    try:
        while process.poll() is None:
            for pid in members(process.pid):
                with suppress(OSError):  # it has ended meanwhile
                    _update(sampled, pid, driver=process.pid)
            sampled.total.append((time.time(), sum(sampled.cpu.values())))
            time.sleep(SECONDS_BETWEEN)
    finally:
        end_members(process.pid)
    assert process.returncode == 0, log.read_text()
    sampled.wall = time.monotonic() - began
    return sampled


def slope(memory: list[tuple[float, int]], ends: list[float]) -> float:
    """KiB that the driver grows by with each trial, in the second half of the trials."""
    half = ends[len(ends) // 2]
    seconds, kib = np.array([each for each in memory if half <= each[0] <= ends[-1]]).T
    return float(np.polyfit(np.searchsorted(ends, seconds), kib, 1)[0])


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


if __name__ == "__main__":
    main()

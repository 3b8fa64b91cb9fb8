"""What a sweep costs beyond its trials: busy cores, CPU seconds of driver and workers, and the driver's memory.

.venv/bin/python benchmarks/overhead.py [--only short tiny] [--trials 2000] [--short-trials 400] [--tiny]

Measured: `labelbench run` of a grid on a finished store, once of 400 trials of about 0.3 CPU s (digits, 22 rounds of 30
labels, a logistic probe: `short`) and once of 2,000 trials of about 0.02 (300 rows, two rounds of 20 labels: `tiny`),
against such trials folded one after another by the plain loop in one process, without Ray, Tune or MLflow. Four times a
second the CPU seconds of every process of the command's session are read, by role: the driver, the workers (all
processes that Ray starts for our code), Ray's own servers. The plain loop runs every n-th trial, 100 at most; only its
trials count, not its imports.

For each grid the wall time is that from the start of the first trial to the end of the last one, and in it:

- the busy share of the cores is the CPU seconds of all processes over the wall time and the cores;
- the occupied share of the slots is the time within trials (from `trial.json` to the last round) over the same: it
  holds on a machine with other work too;
- the wall time over what the trials alone would take: over the CPU seconds that the workers spend, which is what the
  target for tiny trials means, and over those of the plain loop, which reads no job and locks no folder anew and has
  the caches of a core to itself; each spread over the cores.

The overhead a trial counts everything from the start of Python to the end of the command, with MLflow's rest and the
report. The driver's memory is its private resident memory (`RssAnon`); its growth is a straight line through the second
half of the trials. `--tiny` runs a few trials of each kind without Ray, to see that all of this works.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from command import ROOT, Places, command, cpu_seconds, histories, places, run
from machine import CORES, parser, show
from sampling import Sampled, sample

from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.ledger.state import TrialState, trial_state

GRID = """from labelbench_ray.config import Part, Trial, grid

BASE = Trial(
    dataset=Part.of("digits"{rows}),
    encoder=Part(name="pixels"),
    strategy=Part(name="random"),
    trainer=Part(name="logistic"),
    seed=0,
    rounds={rounds},
    budget={budget},
)


def many() -> list[Trial]:
    return grid(BASE, strategy=["random", "margin", "confidence", "entropy"], seed=range({seeds}))
"""
STRATEGIES = 4
KINDS = {
    "short": {"rows": "", "rounds": 22, "budget": 30},
    "tiny": {"rows": ", max_rows=300", "rounds": 2, "budget": 20},
}
MOST_PLAIN = 100
"""Trials of the plain loop."""
TARGETS: dict[str, dict[str, tuple[str, float]]] = {
    "short": {"busy_share_of_the_cores": ("at least", 0.9)},
    "tiny": {
        "wall_over_workers_cpu": ("at most", 1.3),
        "overhead_cpu_seconds_a_trial": ("at most", 0.1),
        "driver_kib_a_trial": ("at most", 10.0),
    },
}
PLAIN = """import sys, time
from pathlib import Path
from labelbench_ray.trial import parts
from labelbench_ray.planning.experiment import load
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.trial.loop import Loop
from labelbench_ray.embeddings.store import EmbeddingStore

name, store, runs, step = sys.argv[1:]
trials = load(name).trials[:: int(step)]
opened = EmbeddingStore.open(Path(store) / parts.build(trials[0]).embedding)
embedded = opened.arrays()
ended = []
for trial in trials[:1] + trials:
    built = parts.build(trial)
    header = Header(
        fingerprint=built.fingerprint, trial=trial, store=opened.manifest.content, compute="", versions={}
    )
    with Ledger.open(Path(runs) / str(len(ended)), header) as ledger:
        list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())
    ended.append(time.process_time())  # the first trial imports what fits need, and does not count
print((ended[-1] - ended[0]) / len(trials))
"""


def main(words: Sequence[str] | None = None) -> None:
    """Embed, run both ways and show."""
    options = parser(__doc__)
    options.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    options.add_argument("--trials", type=int, default=2000, help="of the kind tiny")
    options.add_argument("--short-trials", type=int, default=400)
    options.add_argument("--tracking-uri", help="MLflow's; default: sqlite; one that does not answer leaves it out")
    options.add_argument("--tiny", action="store_true", help="a few trials without Ray")
    arguments = options.parse_args(words)
    trials, added = {"tiny": arguments.trials, "short": arguments.short_trials}, list[str]()
    if arguments.tiny:
        trials, added = dict.fromkeys(trials, STRATEGIES), ["--executor=local"]
    if arguments.tracking_uri:
        added.append(f"--tracking-uri={arguments.tracking_uri}")
    measured = {kind: swept(kind, trials[kind], arguments.data_root, added) for kind in arguments.only}
    targets = {} if arguments.tiny else {kind: TARGETS[kind] for kind in arguments.only}
    reached = [
        measured[kind][name] >= limit if side == "at least" else measured[kind][name] <= limit
        for kind, limits in targets.items()
        for name, (side, limit) in limits.items()
    ]
    stated = {
        kind: {f"{name} {side}": limit for name, (side, limit) in limits.items()} for kind, limits in targets.items()
    }
    show("overhead", measured, stated, met=all(reached))


def swept(kind: str, trials: int, data_root: Path, options: Sequence[str]) -> dict[str, Any]:
    """A sweep of one kind of trials, measured."""
    with tempfile.TemporaryDirectory(prefix="labelbench-") as fresh, places(data_root) as where:
        folder = Path(fresh)
        (folder / "grid.py").write_text(GRID.format(seeds=trials // STRATEGIES, **KINDS[kind]))
        experiment = f"{folder / 'grid.py'}:many"
        run("embed", experiment, where, *options)
        plain = plain_seconds(experiment, where, folder / "plain", max(1, trials // MOST_PLAIN))
        ledgers, log = where.runs / "grid.many", folder / "log"
        sampled = sample(command("run", experiment, where, *options), log)
        print(log.read_text(), file=sys.stderr)
        found = histories(ledgers)
        spans = sorted(span(each.parent) for each in ledgers.glob("*/trial.json"))
    assert all(trial_state(history, history.header.trial.rounds) is TrialState.DONE for history in found)
    return figures(sampled, spans, plain) | {"cpu_seconds_of_rounds": cpu_seconds(found)}


def figures(sampled: Sampled, spans: list[tuple[float, float]], plain: float) -> dict[str, Any]:
    """What a sweep took.

    Args:
        spans: start and end of each trial.
        plain: CPU seconds of a trial by the plain loop.
    """
    trials, ends = len(spans), sorted(end for _, end in spans)
    first, last = min(begin for begin, _ in spans), ends[-1]
    wall, whole = last - first, sampled.by_role()
    workers = sampled.between(first, last, "worker")
    return {
        "trials": trials,
        "plain_cpu_seconds_a_trial": plain,
        "wall_seconds": sampled.wall,
        "wall_seconds_of_the_trials": wall,
        "busy_share_of_the_cores": sampled.between(first, last) / wall / CORES,
        "occupied_share_of_the_slots": sum(end - begin for begin, end in spans) / wall / CORES,
        "wall_over_plain_cpu": wall * CORES / (plain * trials),
        **({"wall_over_workers_cpu": wall * CORES / workers} if workers else {}),
        "cpu_seconds": whole,
        "cpu_seconds_during_the_trials": {role: sampled.between(first, last, role) for role in whole},
        "overhead_cpu_seconds_a_trial": (whole["driver"] + whole.get("worker", 0.0)) / trials - plain,
        "with_rays_servers": sum(whole.values()) / trials - plain,
        "driver_kib_a_trial": slope(sampled.memory, ends),
        "driver_peak_mib": max(kib for _, kib in sampled.memory) / 1024,
    }


def span(trial: Path) -> tuple[float, float]:
    """When a trial began, and when its last round was recorded."""
    ends = [path.stat().st_mtime for path in trial.glob("rounds/*.json")]
    return (trial / "trial.json").stat().st_mtime, max(ends)


def plain_seconds(experiment: str, where: Places, runs: Path, step: int) -> float:
    """CPU seconds of a trial, as the mean over every `step`-th one, by the plain loop in a process of its own.

    On one thread, as workers compute: idle threads that spin would be counted as work.
    """
    alone = os.environ | ONE_THREAD
    line = [sys.executable, "-c", PLAIN, experiment, str(where.store), str(runs), str(step)]
    printed = subprocess.run(line, stdout=subprocess.PIPE, check=True, cwd=ROOT, text=True, env=alone).stdout
    return float(printed)


def slope(memory: list[tuple[float, int]], ends: list[float]) -> float:
    """KiB that the driver grows by with each trial, in the second half of the trials."""
    half = ends[len(ends) // 2]
    seen = [each for each in memory if half <= each[0] <= ends[-1]] or [(half, 0)]
    seconds, kib = np.array(seen).T
    done = np.searchsorted(ends, seconds)
    if len({*done}) < 2:  # too few trials
        return 0.0
    return float(np.polyfit(done, kib, 1)[0])


if __name__ == "__main__":
    main()

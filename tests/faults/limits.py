"""A trainer that leaks memory and one that hangs, beside healthy trials, under declared limits.

.venv/bin/python -m tests.faults.limits [--memory-per-trial 1.0] [--round-minutes 0.3] [--seeds 2]

The trainers are a user's own plug-ins; the sweep is the real command with --memory-per-trial and --round-minutes.
What must hold: each bad trial is ended by its limit, with a record that says which, the hanging one keeps the round
that it had finished, exit status 1; the healthy trials are done, and their records equal those of a run without the
bad ones. Measured besides: the most private memory that any process of the command held, sampled.
Exit status 1 if something does not hold.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import parser, show
from labelbench_ray.cluster.limits import GIB
from labelbench_ray.ledger.trials import read_history
from tests.faults.sweeps import NAME, Sweep, rounds

LEAKING = '''"""A logistic trainer that leaks."""

import time

import numpy as np

from labelbench_ray.trainers.logistic import Logistic

KEPT = []


class Leaking(Logistic):
    """Keeps 64 MiB a tenth of a second, touched so that they are resident."""

    def fit(self, proxy, data, seed):
        while True:
            KEPT.append(np.ones(64 * 2**20 // 8))
            time.sleep(0.1)
'''
HANGING = '''"""A logistic trainer that never ends from its second round on."""

import time

from labelbench_ray.trainers.logistic import Logistic


class Hanging(Logistic):
    def fit(self, proxy, data, seed):
        while len(data.labels_L) > 20:
            time.sleep(0.1)
        return super().fit(proxy, data, seed)
'''
BEFORE = 'grid(base, trainer=["bad.leaking", "bad.hanging"])'


def main() -> int:
    """Run with and without them, and show."""
    options = parser(__doc__)
    options.add_argument("--memory-per-trial", type=float, default=1.0, help="GiB")
    options.add_argument("--round-minutes", type=float, default=0.3)
    options.add_argument("--seeds", type=int, default=2, help="of two strategies")
    arguments = options.parse_args()
    limits = {
        "bad.leaking": f"--memory-per-trial={arguments.memory_per_trial:g}",
        "bad.hanging": f"--round-minutes={arguments.round_minutes:g}",
    }
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        (folder / "bad").mkdir()
        for file, text in (("__init__", ""), ("leaking", LEAKING), ("hanging", HANGING)):
            (folder / f"bad/{file}.py").write_text(text)
        # Half a CPU each: the bad ones and the healthy ones run side by side, whatever the machine.
        healthy = Sweep(folder, seeds=arguments.seeds, options=(*limits.values(), "--cpus-per-trial=0.5"))
        alone = healthy.run(f"{folder}/alone")
        assert alone.status == 0, alone.printed
        running = replace(healthy, before=BEFORE).begin(f"{folder}/beside")
        peak = max(running.peaks().values())
        ran = running.end()
        wanted, there = rounds(f"{folder}/alone"), rounds(f"{folder}/beside")
        bad = {
            history.header.trial.trainer.name: history
            for fingerprint in there.keys() - wanted.keys()
            for history in [read_history(folder / "beside/runs" / NAME / fingerprint)]
        }
    errors = {trainer: history.failure.error if history.failure else "" for trainer, history in bad.items()}
    ended = {trainer: limit.replace("=", " allows ") in errors.get(trainer, "") for trainer, limit in limits.items()}
    same = sum(there[each] == wanted[each] for each in wanted)
    measured = {
        "status": ran.status,
        "errors": errors,
        "ended_by_its_limit": ended,
        "rounds_kept": {trainer: len(history.records) for trainer, history in bad.items()},
        "healthy_trials": len(wanted),
        "healthy_trials_as_without_bad_ones": same,
        "peak_private_memory_of_a_process_gib": peak / GIB,
        "seconds": ran.seconds,
        "seconds_without_bad_ones": alone.seconds,
    }
    held = (
        ran.status == 1
        and f"{len(wanted)} trials done, 2 failed, 0 not finished" in ran.printed
        and all(ended.values())
        and measured["rounds_kept"] == {"bad.leaking": 0, "bad.hanging": 1}
        and same == len(wanted)
    )
    target = {"status": 1, "ended_by_its_limit": 2, "healthy_trials_as_without_bad_ones": len(wanted)}
    show("faults/limits", measured, target, met=held)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

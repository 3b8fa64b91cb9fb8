"""CPU seconds by which a mirror writes a trial to MLflow's sqlite file, and by which MLflow's client would.

.venv/bin/python benchmarks/mirror.py [--trials 40] [--tiny]

Measured: ledgers with made-up numbers, of trials of 2 and of 22 rounds with 39 metrics each, that a mirror writes into
an empty file: as a command does it (a transaction a run, `mlflow_inserts`), and by MLflow's client, as on a server.
Both include reading the ledgers and writing artifacts; the imports and the empty file do not count. `--tiny`: 2 trials.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from machine import parser, show
from synthetic_ledgers import write_ledgers

from labelbench_ray.config import Trial, grid
from labelbench_ray.tracking import mlflow_runs
from labelbench_ray.tracking.mlflow_address import sqlite_uri
from labelbench_ray.tracking.mlflow_mirror import mlflow_mirror
from labelbench_ray.trial import parts

ROUNDS, BUDGET = (2, 22), 30
STRATEGIES = ("random", "margin")
TARGET = 0.33
"""The CPU seconds over those of MLflow's client, at most."""


def main(words: Sequence[str] | None = None) -> None:
    """Write ledgers, mirror them both ways and show."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=40)
    options.add_argument("--tiny", action="store_true", help="2 trials")
    arguments = options.parse_args(words)
    trials = 2 if arguments.tiny else arguments.trials
    measured = {f"{rounds} rounds": of_rounds(rounds, trials) for rounds in ROUNDS}
    shares = [each["share"] for each in measured.values()]
    show("mirror", measured, {"share_at_most": TARGET}, met=max(shares) <= TARGET)


def of_rounds(rounds: int, trials: int) -> dict[str, float]:
    """CPU milliseconds a trial."""
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=rounds, budget=BUDGET)
    every = grid(base, strategy=STRATEGIES, seed=range(max(1, trials // len(STRATEGIES))))
    with tempfile.TemporaryDirectory(prefix="labelbench-") as fresh:
        ledgers = Path(fresh) / "ledgers"
        write_ledgers(ledgers, every, lambda trial: parts.build(trial).fingerprint)
        by_inserts = milliseconds(ledgers, Path(fresh) / "inserts")
        with patch.object(mlflow_runs, "sqlite_engine", return_value=None):
            by_client = milliseconds(ledgers, Path(fresh) / "client")
    return {
        "cpu_milliseconds_a_trial": by_inserts,
        "by_mlflows_client": by_client,
        "share": by_inserts / by_client,
    }


def milliseconds(ledgers: Path, place: Path) -> float:
    """CPU milliseconds a trial, into a file that is there."""
    uri = sqlite_uri(place / "mlflow.db")
    mlflow_runs.open_mlflow_runs(uri, ledgers.name, place / "artifacts")
    trials = sorted(path.parent for path in ledgers.glob("*/trial.json"))
    began, mirror = time.process_time(), mlflow_mirror(uri, ledgers.name, place / "artifacts")
    for trial in trials:
        mirror.submit(trial)
    problem = mirror.finish(600)
    assert not problem, problem
    return 1000 * (time.process_time() - began) / len(trials)


if __name__ == "__main__":
    main()

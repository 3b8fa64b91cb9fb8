"""The size of the report page and the CPU time that it takes, of ledgers with planted accuracies.

.venv/bin/python benchmarks/report.py [--strategies 30] [--seeds 5] [--rounds 10] [--keep FILE.html]

The page, the tables beside it and the terminal's table are made in a process of its own, from the ledgers alone, as by
`labelbench report`, so that imports count too. Wanted: at most 1 MB and 5 CPU s for 30 strategies, 5 seeds, 10 rounds.
"""

import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from machine import parser, show  # noqa: E402

from labelbench_ray import strategies  # noqa: E402
from labelbench_ray.config import Trial  # noqa: E402
from labelbench_ray.costs import Cost  # noqa: E402
from labelbench_ray.ledger.records import Traits  # noqa: E402
from tests.report.conftest import Experiment  # noqa: E402

WANTED = {"megabytes": 1.0, "cpu_seconds": 5.0}
BUDGET = 50
BUILD = """
import json, sys, time
from pathlib import Path
from rich.console import Console
from labelbench_ray.api.report import write_report
from labelbench_ray.costs import ASSUMED
write_report(Path(sys.argv[1]), Path(sys.argv[2]), Console(quiet=True), ASSUMED, Path("no store"))
print(json.dumps(time.process_time()))
"""


def ledgers(folder: Path, strategies: int, seeds: int, rounds: int) -> Path:
    """Trials of rising curves: every strategy has its own gain over random, every seed its own luck."""
    rng = np.random.default_rng(0)
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=rounds, budget=BUDGET)
    experiment = Experiment(folder / "synthetic.grid", base)
    shape_T = 1 - np.exp(-2.5 * np.arange(rounds) / max(rounds - 1, 1))
    luck_S = rng.normal(0, 0.01, seeds)
    spent = {name: Cost(0.5, 0.4) for name in ("fit", "predict", "select", "evaluate")}
    for number, name in enumerate(names(strategies)):
        gain = 0.0 if number == 0 else rng.normal(0.01, 0.02)
        for seed in range(seeds):
            curve_T = 0.6 + (0.25 + gain) * shape_T + luck_S[seed] + rng.normal(0, 0.004, rounds) * (shape_T > 0)
            extra = {
                "Labeling Accuracy": 1.0,
                "Balanced Test Accuracy": float(curve_T[-1]) - 0.02,
                "Num Test Rows": 360,
            }
            experiment.add(
                name, seed, curve_T.tolist(), extra=extra, spent=spent, traits=Traits(baselines=("strategy",))
            )
    return experiment.write()


def names(count: int) -> list[str | dict[str, Any]]:
    """Random first, then every strategy that is shipped, then BADGE with other settings."""
    shipped: list[str | dict[str, Any]] = ["random", *(name for name in strategies.names() if name != "random")]
    more: list[str | dict[str, Any]] = [
        {"name": "badge", "settings": {"batch": number}} for number in range(count - len(shipped))
    ]
    return [*shipped, *more][:count]


def measure(arguments: Namespace, folder: Path) -> dict[str, float]:
    """Build the page in a process of its own."""
    experiment = ledgers(folder, arguments.strategies, arguments.seeds, arguments.rounds)
    page = arguments.keep.absolute() if arguments.keep else folder / "report.html"
    line = [sys.executable, "-c", BUILD, str(experiment), str(page)]
    alone = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    built = subprocess.run(line, env=alone, capture_output=True, text=True, check=True)
    return {"megabytes": page.stat().st_size / 1e6, "cpu_seconds": json.loads(built.stdout)}


def main(arguments: list[str] | None = None) -> None:
    """Build and show."""
    options = parser(__doc__)
    options.add_argument("--strategies", type=int, default=30)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--keep", type=Path, help="where to leave the page")
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        measured = measure(options.parse_args(arguments), Path(folder))
    show("report", measured, WANTED, met=all(measured[name] <= most for name, most in WANTED.items()))


if __name__ == "__main__":
    main()

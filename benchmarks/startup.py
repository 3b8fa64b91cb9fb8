"""What commands cost before they do any work: CPU seconds of help texts, lists of plug-ins and a plan.

.venv/bin/python benchmarks/startup.py [--tries 3]

Each command is started in a fresh folder some times, and the lowest CPU seconds of its process are shown: wall seconds
say little where other work has the cores. Wanted: `--help` 0.3, a list 0.4, and 2.5 for the plan of the quickstart: it
counts classes and tries every strategy.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from machine import parser, show  # noqa: E402

from labelbench_ray.plugins.catalog import KINDS  # noqa: E402

WANTED = (
    {"--help": 0.3, "run --help": 0.4}
    | {f"list {kind}": 0.4 for kind in KINDS}
    | {f"plan {ROOT / 'experiments/quickstart.py'}": 2.5}
)
"""CPU seconds by command."""


def cpu_seconds(command: str) -> float:
    """CPU seconds of a command's process and of the processes that it waited for."""
    before = os.times()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        words = [sys.executable, "-m", "labelbench_ray", *command.split()]
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    """Start each command and show."""
    options = parser(__doc__)
    options.add_argument("--tries", type=int, default=3)
    tries = options.parse_args().tries
    found = {command: min(cpu_seconds(command) for _ in range(tries)) for command in WANTED}
    measured, wanted = (
        {command.replace(f"{ROOT}/", ""): {"cpu_seconds": seconds} for command, seconds in each.items()}
        for each in (found, WANTED)
    )
    show("startup", measured, wanted, met=all(found[command] <= seconds for command, seconds in WANTED.items()))


if __name__ == "__main__":
    main()

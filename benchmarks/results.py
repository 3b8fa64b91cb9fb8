"""CPU seconds and peak memory of `results()` and its tables, over 2,000 trials of 10 rounds.

.venv/bin/python benchmarks/results.py [--strategies 40] [--seeds 50] [--rounds 10] [--budget 100]

The ledgers are made up, with as many metrics as those of real trials; nothing is run. Measured in a process of its own,
imports included: reading the ledgers, then each table, then the table of labels (a row each) on top.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import status_kib

TARGET_CPU_SECONDS, TARGET_GIB = 10, 1
TABLES = ("rounds", "trials", "savings", "comparisons")
MEASURE = "--measure"


def main() -> None:
    """Write the ledgers, read them in another process, and show."""
    # Imported here, as below: the process that measures must not count these.
    from machine import parser, show
    from synthetic_ledgers import trials, write_ledgers

    options = parser(__doc__)
    for name, default in (("strategies", 40), ("seeds", 50), ("rounds", 10), ("budget", 100)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        runs = Path(folder) / "made_up.grid"
        every = trials(given.strategies, given.seeds, given.rounds, given.budget)
        write_ledgers(runs, every)
        line = [sys.executable, str(Path(__file__).resolve()), MEASURE, str(runs)]
        measured = json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout)
    show(
        "results",
        {"trials": len(every), "rounds": given.rounds} | measured,
        {"cpu_seconds_at_most": TARGET_CPU_SECONDS, "peak_gib_at_most": TARGET_GIB},
        met=measured["cpu_seconds"] <= TARGET_CPU_SECONDS and measured["peak_gib"] <= TARGET_GIB,
    )


def measure(runs: Path) -> None:
    """Print what reading these ledgers takes, as JSON."""
    from labelbench_ray import results

    spent: dict[str, float] = {"import": time.process_time()}
    found = results(runs)
    spent["read"] = time.process_time() - sum(spent.values())
    rows = {}
    for name in TABLES:
        rows[name] = getattr(found, name)().num_rows
        spent[name] = time.process_time() - sum(spent.values())
    measured = {"cpu_seconds": time.process_time(), "peak_gib": status_kib("VmHWM") / 2**20}
    rows["labels"] = found.labels(runs / "no store").num_rows
    labels = {"labels_cpu_seconds": time.process_time() - measured["cpu_seconds"]}
    labels["labels_peak_gib"] = status_kib("VmHWM") / 2**20
    print(json.dumps(measured | {"cpu_seconds_of_each": spent} | labels | {"rows": rows}))


if __name__ == "__main__":
    measure(Path(sys.argv[2])) if sys.argv[1:2] == [MEASURE] else main()

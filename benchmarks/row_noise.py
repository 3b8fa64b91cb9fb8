"""CPU seconds and memory that the noise of test rows adds to a comparison of many trials.

.venv/bin/python benchmarks/row_noise.py           # 1,000 trials of 10 rounds, 10,000 test rows; about a CPU minute
.venv/bin/python benchmarks/row_noise.py --tiny

40 strategies with 25 seeds, from ledgers with made-up numbers. A process of its own compares them by a metric without
hits, and then by test accuracy with the hits of all rounds. Wanted: at most 5 CPU s and 100 MB more.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from machine import parser, show
from synthetic_ledgers import trials, write_ledgers

from labelbench_ray.ledger.hits import hits_file

WANTED: Final = {"cpu_seconds": 5.0, "megabytes": 100.0}
COMPARE: Final = """
import json, resource, sys, time
from pathlib import Path
from labelbench_ray.report.curves import read
from labelbench_ray.report.statistics.comparison import compare
(setting,) = read(Path(sys.argv[1])).settings
def measured(metric):
    start = time.process_time()
    found = compare(setting, metric)
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, found
plain, before, _ = measured("Pool Accuracy")
cpu, after, found = measured("Test Accuracy")
assert found.test_rows == int(sys.argv[2]), found.over_seeds_only
print(json.dumps({"cpu_seconds": cpu - plain, "megabytes": after - before, "without_rows_cpu_seconds": plain}))
"""


def add_hits(folder: Path, rows: int) -> float:
    """Hits that fit the recorded test accuracies, of rows that are easy or hard; bytes a trial."""
    rng = np.random.default_rng(0)
    ease_N, written, folders = rng.random(rows), 0, 0
    for trial in folder.iterdir():
        folders += trial.is_dir()
        for path in trial.glob("rounds/*.json"):
            record = json.loads(path.read_bytes())
            right = round(record["metrics"]["Test Accuracy"] * rows)
            hits_N = np.zeros(rows, np.bool_)
            hits_N[np.argsort(ease_N + rng.normal(0, 0.2, rows))[:right]] = True
            for file, data in hits_file(path, record["fingerprint"], record["round"], {"Test": hits_N}).items():
                file.write_bytes(data)
                written += len(data)
    return written / folders


def main(words: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true")
    strategies, seeds, rounds, rows = (4, 3, 2, 100) if options.parse_args(words).tiny else (40, 25, 10, 10_000)
    with tempfile.TemporaryDirectory(prefix="labelbench-") as below:
        folder = Path(below) / "many"
        write_ledgers(folder, trials(strategies, seeds, rounds, 10))
        each = add_hits(folder, rows)
        line = [sys.executable, "-c", COMPARE, str(folder), str(rows)]
        alone = os.environ | {"OMP_NUM_THREADS": "1"}
        found: dict[str, Any] = json.loads(subprocess.run(line, env=alone, capture_output=True, check=True).stdout)
    measured = {"trials": strategies * seeds, "rounds": rounds, "test_rows": rows, "bytes_a_trial": each, **found}
    show("row_noise", measured, WANTED, met=all(found[name] <= most for name, most in WANTED.items()))


if __name__ == "__main__":
    main()

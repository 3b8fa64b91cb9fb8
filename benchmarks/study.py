"""Wall seconds of the CIFAR-10 study once its images are embedded, against the CPU seconds that its trials need.

.venv/bin/python benchmarks/study.py --data-root DIR [--store STORE] [--trials N]

Measured: `labelbench run experiments/cifar10.py:study` with a finished store (embedded first where STORE has none, and
not counted), Ray not started and no ledger: from the start of the process to the last round's record (`sweep_seconds`,
what the target is about), and to the end, with MLflow and the report (`command_seconds`). The limit is the trials'
CPU seconds over the cores; a sweep may take 15 s more, and 0.4 s a trial. CPU seconds are those that the workers
wrote into the records, so that other programs on the machine make the wall time longer and the limit not.
"""

import tempfile
import time
from pathlib import Path

from command import ROOT, cpu_seconds, histories, not_provided, places, run
from machine import CORES, parser, show, show_skipped

STUDY = f"{ROOT / 'experiments' / 'cifar10.py'}:study"
START_SECONDS, SECONDS_A_TRIAL = 15.0, 0.4
FIRST_TRIALS = """from labelbench_ray.config import Trial
from labelbench_ray.planning.experiment import load


def study() -> list[Trial]:
    return list(load({study!r}).trials[:{trials}])
"""


def main() -> None:
    """Embed what is missing, run the sweep and show."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=20, help="only the first so many trials of the study")
    arguments = options.parse_args()
    if why := not_provided(STUDY, arguments.data_root):
        show_skipped("study", why)
        return
    with (
        tempfile.TemporaryDirectory(prefix="labelbench-") as folder,
        places(arguments.data_root, None, arguments.store) as where,
    ):
        experiment = first_trials(Path(folder), arguments.trials)
        embedding_seconds = run("embed", experiment, where)
        started = time.time()
        command_seconds = run("run", experiment, where)
        ledgers = where.runs / "first.study"
        sweep_seconds = max(path.stat().st_mtime for path in ledgers.glob("*/rounds/*.json")) - started
        found = histories(ledgers)
    trials = cpu_seconds(found)
    target = trials / CORES + START_SECONDS + SECONDS_A_TRIAL * len(found)
    measured = {
        "sweep_seconds": sweep_seconds,
        "command_seconds": command_seconds,
        "trials": len(found),
        "trials_cpu_seconds": trials,
        "cpu_seconds_a_round": trials / sum(len(history.records) for history in found),
        "fraction_of_limit": trials / CORES / sweep_seconds,
        "embedding_seconds_not_counted": embedding_seconds,
    }
    show("study", measured, {"sweep_seconds_at_most": target}, met=sweep_seconds <= target)


def first_trials(folder: Path, trials: int) -> str:
    """An experiment of the first so many trials of the study."""
    (folder / "first.py").write_text(FIRST_TRIALS.format(study=STUDY, trials=trials))
    return f"{folder / 'first.py'}:study"


if __name__ == "__main__":
    main()

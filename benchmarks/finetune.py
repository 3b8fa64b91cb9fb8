"""The full model beside the linear probe on the same 1,000 labels of CIFAR-10, at 96 pixels, on this machine's cores.

.venv/bin/python benchmarks/finetune.py --data-root DIR [--store STORE] [--runs RUNS]

Measured: `labelbench run` and then `labelbench finetune` of `experiments/finetune.py` (3 seeds), as a user starts them.
`fine_tune_seconds` is the wall time of the slowest single fine-tune with its evaluation, beside one other on two cores;
the accuracies are on 5,000 test images, their difference with a 95 % interval over the paired seeds.
"""

import numpy as np
from command import ROOT, histories, not_provided, places, run
from machine import parser, rounded, show, show_skipped

from labelbench_ray.ledger.finetunes import FOLDER, FineTuneRecord, read_finetune_records
from labelbench_ray.report.statistics.paired import estimate

EXPERIMENT = f"{ROOT / 'experiments' / 'finetune.py'}:finetune"
METRIC = "Test Accuracy"
MOST_SECONDS = 1800.0


def main() -> None:
    """Run both commands, compare and show."""
    arguments = parser(__doc__).parse_args()
    if why := not_provided(EXPERIMENT, arguments.data_root):
        show_skipped("finetune", why)
        return
    with places(arguments.data_root, arguments.runs, arguments.store) as where:
        run("run", EXPERIMENT, where)
        command_seconds = run("finetune", EXPERIMENT, where)
        folder = where.runs / "finetune.finetune"
        found = histories(folder)
        points: list[FineTuneRecord] = []
        for history in found:
            (recipe,) = (folder / history.header.fingerprint / FOLDER).iterdir()
            (point,) = read_finetune_records(recipe).values()
            points.append(point)
    probe_S = np.array([history.records[-1].metrics[METRIC] for history in found])
    full_S = np.array([point.metrics[METRIC] for point in points])
    gain = estimate(full_S - probe_S)
    slowest = max(point.spent.wall for point in points)
    measured = {
        "linear_probe_accuracy": float(probe_S.mean()),
        "fine_tuned_accuracy": float(full_S.mean()),
        "gain": gain.value,
        "gain_interval": rounded([gain.low, gain.high]),
        "seeds": len(points),
        "fine_tune_seconds": slowest,
        "fine_tune_cpu_seconds": float(np.mean([point.spent.cpu for point in points])),
        "command_seconds": command_seconds,
    }
    target = {"gain_above": 0.0, "fine_tune_seconds_at_most": MOST_SECONDS}
    show("finetune", measured, target, met=gain.low > 0 and slowest <= MOST_SECONDS)


if __name__ == "__main__":
    main()

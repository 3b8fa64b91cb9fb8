"""Labels saved on real text: margin with 1,500 labels against random with 3,000, paired over 5 seeds.

.venv/bin/python benchmarks/banking77.py --data-root DIR [--runs RUNS --store STORE]

Measured: the test accuracy of margin at 1,500 labels less that of random at 3,000, in points, seed by seed, with its
95 % t-interval. Runs experiments/banking77.py; what is done in RUNS and STORE already is not run again.
"""

import numpy as np
from command import ROOT, histories, not_provided, places, run
from machine import parser, show, show_skipped

from labelbench_ray.ledger.trials import History
from labelbench_ray.report.statistics.paired import estimate

FEW, MANY = 1500, 3000
TARGET_LOW = -1.0


def main() -> None:
    """Run what is missing and show."""
    arguments = parser(__doc__).parse_args()
    experiment = str(ROOT / "experiments" / "banking77.py")
    if why := not_provided(experiment, arguments.data_root):
        show_skipped("banking77", why)
        return
    with places(arguments.data_root, arguments.runs, arguments.store) as where:
        seconds = run("run", experiment, where)
        found = histories(where.runs / "banking77.banking77")
    margin, random = accuracies(found, "margin", FEW), accuracies(found, "random", MANY)
    assert margin.keys() == random.keys(), "the experiment's seeds are paired"
    saved = estimate(np.array([100 * (margin[seed] - random[seed]) for seed in sorted(margin)]))
    measured = {
        "difference_points": saved.value,
        "low": saved.low,
        "high": saved.high,
        "seeds": saved.seeds,
        f"margin_{FEW}_labels_percent": 100 * float(np.mean(list(margin.values()))),
        f"random_{MANY}_labels_percent": 100 * float(np.mean(list(random.values()))),
        "wall_seconds": seconds,
    }
    show("banking77", measured, {"low_at_least": TARGET_LOW}, met=saved.low >= TARGET_LOW)


def accuracies(found: list[History], strategy: str, num_labeled: int) -> dict[int, float]:
    """Test accuracy of a strategy with so many labels, by seed."""
    return {
        history.header.trial.seed: record.metrics["Test Accuracy"]
        for history in found
        for record in history.records
        if history.header.trial.strategy.name == strategy and record.num_labeled == num_labeled
    }


if __name__ == "__main__":
    main()

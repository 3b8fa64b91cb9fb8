"""Every trainer against `supervised` on few labels of each class: a linear probe on real embeddings, paired seeds.

.venv/bin/python benchmarks/trainers.py --data-root DIR [--store STORE] [--only cifar10 | banking77] [--seeds N]

Of each class so many rows of the pool are drawn and labeled, the same for all trainers of a seed; others are unlabeled.
Printed: test accuracy, its difference to `supervised` with a 95 % interval over the seeds, the share of unlabeled rows
that taught something and how many of their pseudo-labels were right (first and last epoch), and CPU seconds of a fit.
`fixmatch(unlabeled_weight=0)` is the control: the same steps on weak views, without the unlabeled rows.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command import ROOT, not_provided, places, run
from machine import parser, rounded, show, show_skipped

from labelbench_ray import parts
from labelbench_ray.experiment import load
from labelbench_ray.fitting import Lesson, LightFitter, in_process
from labelbench_ray.hearing import EpochCounts, Hearing
from labelbench_ray.parts import Parts
from labelbench_ray.report.statistics import estimate
from labelbench_ray.store import EmbeddingStore
from labelbench_ray.streams import integer, stream
from labelbench_ray.types import Ids

EXPERIMENT = ROOT / "experiments" / "trainers.py"
LABELS_A_CLASS = (10, 2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fit."""

    accuracy: float
    first: EpochCounts
    last: EpochCounts
    epochs: int
    cpu_seconds: float


def main() -> None:
    """Embed what is missing, fit, compare and show."""
    options = parser(__doc__)
    options.add_argument("--only", nargs="+", choices=("cifar10", "banking77"), default=("cifar10", "banking77"))
    options.add_argument("--seeds", type=int, default=5)
    arguments = options.parse_args()
    measured = {}
    for name in arguments.only:
        if why := not_provided(f"{EXPERIMENT}:{name}", arguments.data_root):
            show_skipped("trainers", why)
            return
        with places(arguments.data_root, None, arguments.store) as where:
            run("embed", f"{EXPERIMENT}:{name}", where)
            measured[name] = compare(name, where.store, arguments.seeds)
    target = {"what": "every trainer's difference to supervised, with its interval; no figure is asked for"}
    show("trainers", measured, target, met=True)


def compare(name: str, store: Path, seeds: int) -> dict[str, object]:
    """A data set's table: by labels a class, then by trainer."""
    every = {str(trial.trainer): parts.build(trial) for trial in load(f"{EXPERIMENT}:{name}").trials}
    table: dict[str, object] = {}
    for count in LABELS_A_CLASS:
        found: dict[str, list[Outcome]] = {trainer: [] for trainer in every}
        for seed in range(seeds):
            for trainer, built in every.items():
                found[trainer].append(fit(built, store, seed, count))
                print(f"{name}, {count} a class, seed {seed}, {trainer}: {found[trainer][-1]}", file=sys.stderr)
        base = np.array([each.accuracy for each in found["supervised"]])
        table[f"{count} labels a class"] = {trainer: row(outcomes, base) for trainer, outcomes in found.items()}
    return table


def fit(built: Parts, store: Path, seed: int, count: int) -> Outcome:
    """Fit on `count` labels of each class and measure on the test rows."""
    opened = EmbeddingStore.open(store / built.embedding)
    embedded, wanted = opened.arrays(), built.wanted_views
    pairs = opened.views(wanted.digest, wanted.count).pairs if wanted else ()
    truth_N = embedded.pool.labels_N
    labeled_L = drawn(truth_N, count, seed)
    hearing = Hearing(truth_N)
    fitter = LightFitter(built, embedded, pairs, in_process(embedded))
    start = time.process_time()
    tensors = fitter.fit(Lesson(labeled_L, truth_N[labeled_L], (), integer(seed, count, "fit"), hearing.listen))
    spent = time.process_time() - start
    predicted_N = fitter.open(tensors).classifier.logits(embedded.test.embeddings_ND).argmax(axis=1)
    heard = list(hearing.epochs.values()) or [EpochCounts()]
    return Outcome(float((predicted_N == embedded.test.labels_N).mean()), heard[0], heard[-1], len(heard), spent)


def drawn(truth_N: Ids, count: int, seed: int) -> Ids:
    """`count` rows of each class."""
    rng = stream(seed, count, "labels of each class")
    rows = [rng.choice(np.flatnonzero(truth_N == label), count, replace=False) for label in np.unique(truth_N)]
    return rng.permutation(np.concatenate(rows))


def row(outcomes: list[Outcome], base_S: np.ndarray) -> dict[str, object]:
    """A trainer's line of the table."""
    accuracy_S = np.array([each.accuracy for each in outcomes])
    difference = estimate(accuracy_S - base_S)
    return rounded(
        {
            "test_accuracy": float(accuracy_S.mean()),
            "difference": difference.value,
            "interval": [difference.low, difference.high],
            "first_epoch": quality([each.first for each in outcomes]),
            "last_epoch": quality([each.last for each in outcomes]),
            "epochs": float(np.mean([each.epochs for each in outcomes])),
            "cpu_seconds": float(np.mean([each.cpu_seconds for each in outcomes])),
        }
    )


def quality(counts: list[EpochCounts]) -> dict[str, float]:
    """Share of the unlabeled rows that were used, and of their pseudo-labels that were right; over all seeds."""
    rows, used = sum(each.rows for each in counts), sum(each.used for each in counts)
    right = sum(each.right for each in counts)
    return ({"used": used / rows} if rows else {}) | ({"right": right / used} if used else {})


if __name__ == "__main__":
    main()

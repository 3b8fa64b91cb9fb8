"""Every trainer against `supervised` on few labels of each class: a linear probe on real embeddings, paired seeds.

.venv/bin/python benchmarks/trainers.py --data-root DIR [--store STORE] [--seeds N] [--keep accuracy | loss | last]
    [--only cifar10 | banking77 | cifar10_small | banking77_small]

Of each class so many rows of the pool are drawn and labeled, the same for all trainers of a seed; others are unlabeled.
Printed: test accuracy, its differences to `supervised` and to the control with 95 % intervals over the seeds, the epoch
that is kept, the share of unlabeled rows that taught something in it and the share of their pseudo-labels that were
right, and CPU seconds of a fit; and the same differences of the mean of the semi-supervised methods.
`fixmatch(unlabeled_weight=0)` is the control: the same steps on weak views, without the unlabeled rows.
Every trainer keeps its epoch by the same rule, `supervised` and the control too: `--keep`.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command import ROOT, not_provided, places, run
from machine import parser, rounded, show, show_skipped

from labelbench_ray.config import Part, vary
from labelbench_ray.embeddings.augmented import augmented_pairs
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.planning.experiment import load
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.streams import integer, stream
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.pseudo_labels import EpochCounts, PseudoLabelStats
from labelbench_ray.types import Ids

EXPERIMENT = ROOT / "experiments" / "trainers.py"
EXPERIMENTS = ("cifar10", "banking77", "cifar10_small", "banking77_small")
LABELS_A_CLASS = (10, 2)
RULES = {
    "accuracy": {"keep": "accuracy", "patience": 10},
    "loss": {"keep": "loss", "patience": 5},
    "last": {"keep": "last"},
}
"""Settings by `--keep`; `loss` is the rule that all trainers had before there was a choice."""
SUPERVISED, CONTROL, MEAN = "supervised", "control", "mean of the methods"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fit."""

    accuracy: float
    kept: EpochCounts
    """Of the unlabeled rows, in the epoch that is kept."""
    epoch: int | None
    """The one that is kept, from 0; None of a trainer that reports none."""
    cpu_seconds: float


def main() -> None:
    """Embed what is missing, fit, compare and show."""
    options = parser(__doc__)
    options.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=("cifar10", "banking77"))
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--keep", choices=RULES, default="accuracy")
    arguments = options.parse_args()
    measured = {}
    for name in arguments.only:
        if why := not_provided(f"{EXPERIMENT}:{name}", arguments.data_root):
            show_skipped("trainers", why)
            return
        with places(arguments.data_root, None, arguments.store) as where:
            run("embed", f"{EXPERIMENT}:{name}", where)
            measured[name] = compare(name, where.store, arguments.seeds, arguments.keep)
    target = {"what": "every trainer's difference to supervised, with its interval; no figure is asked for"}
    show("trainers", measured, target, met=True)


def compare(name: str, store: Path, seeds: int, keep: str) -> dict[str, object]:
    """A data set's table: by labels a class, then by trainer."""
    every = trainers(name, keep)
    table: dict[str, object] = {"keep": keep}
    for count in LABELS_A_CLASS:
        found: dict[str, list[Outcome]] = {trainer: [] for trainer in every}
        for seed in range(seeds):
            for trainer, built in every.items():
                found[trainer].append(fit(built, store, seed, count))
                print(f"{name}, {count} a class, seed {seed}, {trainer}: {found[trainer][-1]}", file=sys.stderr)
        table[f"{count} labels a class"] = lines(found)
    return table


def trainers(name: str, keep: str) -> dict[str, Parts]:
    """The experiment's trainers under one rule, by name; the control is the method without unlabeled rows."""
    found = {}
    for trial in load(f"{EXPERIMENT}:{name}").trials:
        settings = {key: value for key, value in trial.trainer.settings.items() if key not in ("keep", "patience")}
        trainer = Part(name=trial.trainer.name, settings=settings | RULES[keep])
        label = CONTROL if settings.get("unlabeled_weight") == 0 else trainer.name
        found[label] = parts.build(vary(trial, trainer=trainer))
    return found


def fit(built: Parts, store: Path, seed: int, count: int) -> Outcome:
    """Fit on `count` labels of each class and measure on the test rows."""
    opened = EmbeddingStore.open(store / built.embedding)
    embedded, wanted = opened.arrays(), built.wanted_views
    pairs = augmented_pairs(opened, wanted.digest, wanted.count) if wanted else ()
    truth_N = embedded.pool.labels_N
    labeled_L = drawn(truth_N, count, seed)
    stats = PseudoLabelStats(truth_N)
    fitter = LightFitter(built, embedded, pairs, in_process(embedded))
    start = time.process_time()
    tensors = fitter.fit(FitRequest(labeled_L, truth_N[labeled_L], (), integer(seed, count, "fit"), stats.add))
    spent = time.process_time() - start
    predicted_N = fitter.open(tensors).classifier.logits(embedded.test.embeddings_ND).argmax(axis=1)
    epoch, kept = max(stats.epochs.items(), default=(None, EpochCounts()))
    return Outcome(float((predicted_N == embedded.test.labels_N).mean()), kept, epoch, spent)


def drawn(truth_N: Ids, count: int, seed: int) -> Ids:
    """`count` rows of each class."""
    rng = stream(seed, count, "labels of each class")
    rows = [rng.choice(np.flatnonzero(truth_N == label), count, replace=False) for label in np.unique(truth_N)]
    return rng.permutation(np.concatenate(rows))


def lines(found: dict[str, list[Outcome]]) -> dict[str, object]:
    """The table's lines by trainer, and one for the mean of the methods that learn from unlabeled rows."""
    accuracy = {trainer: np.array([each.accuracy for each in outcomes]) for trainer, outcomes in found.items()}
    methods = [accuracy[trainer] for trainer in found if trainer not in (SUPERVISED, CONTROL)]
    accuracy[MEAN] = np.mean(methods, axis=0)
    return {
        trainer: rounded(differences(accuracy_S, accuracy) | fits(found.get(trainer, [])))
        for trainer, accuracy_S in accuracy.items()
    }


def differences(accuracy_S: np.ndarray, accuracy: dict[str, np.ndarray]) -> dict[str, object]:
    """Test accuracy over the seeds, against `supervised` and against the control."""
    line: dict[str, object] = {"test_accuracy": float(accuracy_S.mean())}
    for base in (SUPERVISED, CONTROL):
        difference = estimate(accuracy_S - accuracy[base])
        line[f"less_{base}"] = {"value": difference.value, "interval": [difference.low, difference.high]}
    return line


def fits(outcomes: list[Outcome]) -> dict[str, object]:
    """What the fits of a trainer came to, over the seeds."""
    if not outcomes:
        return {}
    epochs = [each.epoch for each in outcomes if each.epoch is not None]
    rows, used = sum(each.kept.rows for each in outcomes), sum(each.kept.used for each in outcomes)
    right = sum(each.kept.right for each in outcomes)
    return (
        {"cpu_seconds": float(np.mean([each.cpu_seconds for each in outcomes]))}
        | ({"kept_epoch": float(np.mean(epochs))} if epochs else {})
        | ({"used": used / rows} if rows else {})
        | ({"right": right / used} if used else {})
    )


if __name__ == "__main__":
    main()

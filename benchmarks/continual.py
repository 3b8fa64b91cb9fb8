"""CPU seconds of fit and accuracy of training on across rounds, against training from scratch in every round.

.venv/bin/python benchmarks/continual.py [--store STORE] [--seeds 3] [--strategy random] [--epochs 30]
                                         [--data NAME] [--proxy NAME]

Measured: whole trials of the real loop and ledger (8 rounds of 250 labels), one thread, for each trainer with its
defaults and with a linear and a shallow proxy, on made-up embeddings (20,000 x 256, 20 classes of 3 clumps each, so
that a line does not part them) and, where STORE has them, on CIFAR-10's and Banking77's. With the strategy `random` all
trainers of a seed learn from the same rows, so that differences are the trainers' own. The first round is left out,
where all begin from scratch. `speed_up` is the CPU seconds of scratch over the trainer's, summed over rounds and seeds;
`test_accuracy_difference` is the trainer's less scratch's, averaged over the rounds and paired by seed: the mean of the
seeds and their standard deviation. Nothing is asked for: a trainer that saves nothing shows so. Where a round from
scratch has too few steps to learn all it could, one that goes on is ahead for its steps in earlier rounds: more
`--epochs` show whether that is the case (early stopping ends a fit when they no longer help).
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import parser, show
from threadpoolctl import threadpool_limits

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.embeddings.store import Embedded, EmbeddingStore, SplitArrays
from labelbench_ray.errors import StoreError
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.trainers import Tensors
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.parts import build

ROUNDS, BUDGET = 8, 250
CLASSES, CLUMPS, DIMENSIONS, SPREAD = 20, 3, 256, 0.35
ROWS = {"pool": 20_000, "validation": 2_000, "test": 5_000}
MADE_UP, SCRATCH = "made_up", "scratch"
PROXIES = ("linear", "shallow")
REAL = {
    "cifar10": (Part(name="cifar10"), Part.of("efficientnet_lite0", size=96)),
    "banking77": (Part(name="banking77"), Part(name="sentence")),
}


def main() -> None:
    """Run every trainer on everything there is, and show."""
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--strategy", default="random")
    options.add_argument("--epochs", type=int, default=30)
    options.add_argument("--data", choices=[MADE_UP, *REAL], help="only these embeddings")
    options.add_argument("--proxy", choices=PROXIES, help="only this proxy")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    base = Trial(
        dataset="digits",  # never opened, unless the store has the real one
        encoder="pixels",
        strategy=arguments.strategy,
        seed=0,
        rounds=ROUNDS,
        budget=BUDGET,
    )
    with threadpool_limits(1):
        measured = {
            f"{name}, {proxy}": compared(
                vary(trial, proxy=proxy), embedded, arguments.seeds, trainers(arguments.epochs)
            )
            for name, trial, embedded in found(base, arguments.store)
            if arguments.data in (None, name)
            for proxy in PROXIES
            if arguments.proxy in (None, proxy)
        }
    show("continual", measured, {}, met=bool(measured))


def trainers(epochs: int) -> dict[str, Part]:
    """What is compared; "short" ones have a third of the epochs, those that go on in rounds after the first only."""
    short = max(1, epochs // 3)
    plain = Part.of("supervised", epochs=epochs)
    return {
        SCRATCH: plain,
        f"{SCRATCH}, short": Part.of("supervised", epochs=short),
        "warm_start": Part.of("warm_start", trainer=plain),
        "warm_start, short": Part.of("warm_start", trainer=plain, epochs=short),
        "shrink_and_perturb": Part.of("shrink_and_perturb", trainer=plain),
        "shrink_and_perturb, short": Part.of("shrink_and_perturb", trainer=plain, epochs=short),
        "experience_replay": Part.of("experience_replay", epochs=epochs),
        "scaled_distillation": Part.of("scaled_distillation", epochs=epochs),
    }


def found(base: Trial, store: Path | None) -> Iterator[tuple[str, Trial, Embedded]]:
    """The made-up embeddings, and the real ones that a store has."""
    yield MADE_UP, base, made_up()
    for name, (dataset, encoder) in REAL.items():
        trial = vary(base, dataset=dataset, encoder=encoder)
        try:
            if store:
                yield name, trial, EmbeddingStore.open(store / build(trial).embedding).arrays()
        except StoreError:
            continue


def made_up() -> Embedded:
    """Rows scattered around a few centers a class, some of them hard."""
    rng = np.random.default_rng(0)
    centers_KCD = rng.normal(size=(CLASSES, CLUMPS, DIMENSIONS)).astype(np.float32)

    def split(rows: int) -> SplitArrays:
        labels_N = rng.integers(0, CLASSES, rows)
        noise_ND = rng.standard_normal((rows, DIMENSIONS), np.float32)
        centers_ND = centers_KCD[labels_N, rng.integers(0, CLUMPS, rows)]
        return SplitArrays((SPREAD * centers_ND + noise_ND).astype(np.float16), labels_N)

    splits = {name: split(rows) for name, rows in ROWS.items()}
    standardization = standardize(splits["pool"].embeddings_ND)
    return Embedded(splits, standardization, tuple(map(str, range(CLASSES))))


@dataclass(frozen=True, slots=True, eq=False)
class TimedFitter(LightFitter):
    """Notes the CPU seconds of every fit."""

    cpu_seconds: list[float] = field(default_factory=list)

    def fit(self, request: FitRequest) -> Tensors:
        start = time.process_time()
        tensors = LightFitter.fit(self, request)
        self.cpu_seconds.append(time.process_time() - start)
        return tensors


@dataclass(frozen=True, slots=True)
class Run:
    """CPU seconds of fit and test accuracy of every round after the first."""

    cpu_seconds: list[float]
    accuracies: list[float]


def compared(base: Trial, embedded: Embedded, seeds: int, trainers: dict[str, Part]) -> dict[str, Any]:
    """Every trainer beside scratch."""
    runs: dict[str, list[Run]] = {name: [] for name in trainers}
    for seed in range(seeds):  # seed by seed, so that a busy spell of the machine slows all trainers alike
        for name, trainer in trainers.items():
            runs[name].append(run(vary(base, trainer=trainer, seed=seed), embedded))
    return {name: beside(runs[SCRATCH], each) for name, each in runs.items()}


def run(trial: Trial, embedded: Embedded) -> Run:
    """One trial from its first round to its last."""
    parts = build(trial)
    header = Header(fingerprint=parts.fingerprint, trial=trial, store="memory", compute="none", versions={})
    fitter = TimedFitter(parts, embedded, (), in_process(embedded))
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder, Ledger.open(Path(folder), header) as ledger:
        records = list(Loop(parts, ledger, fitter).rounds())
    return Run(fitter.cpu_seconds[1:], [record.metrics["Test Accuracy"] for record in records[1:]])


def beside(scratch: list[Run], runs: list[Run]) -> dict[str, Any]:
    """What a trainer took and reached, beside scratch on the same seeds."""
    by_seed = [
        statistics.mean(mine.accuracies) - statistics.mean(theirs.accuracies)
        for mine, theirs in zip(runs, scratch, strict=True)
    ]
    spent, spent_by_scratch = (sum(sum(each.cpu_seconds) for each in many) for many in (runs, scratch))
    return {
        "fit_cpu_seconds_a_round": spent / sum(len(each.cpu_seconds) for each in runs),
        "speed_up": spent_by_scratch / spent,
        "test_accuracy": statistics.mean(statistics.mean(each.accuracies) for each in runs),
        "test_accuracy_last_round": statistics.mean(each.accuracies[-1] for each in runs),
        "test_accuracy_difference": statistics.mean(by_seed),
        "test_accuracy_difference_deviation": statistics.stdev(by_seed) if len(by_seed) > 1 else 0.0,
    }


if __name__ == "__main__":
    main()

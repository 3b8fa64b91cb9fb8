"""Does a bandit over strategies find rare classes as well as its best arm? TAILOR on digits with three rare classes.

python -m benchmarks.rare_classes            # 12 rounds of 30, 16 seeds, about 3 minutes of one core
python -m benchmarks.rare_classes --tiny

The pool has 12 rows of each of the digits 0, 1 and 2, and 882 of the others as one class (1 : 73); the proxy is a
logistic regression on the pixels. TAILOR, the uniform mixture of its arms and each arm alone choose from the same
first batch of a seed. AULC is the mean of the balanced test accuracy over the curve, in %; differences are paired by
seed, with 95 % t-intervals. The best single arm is the one with the best mean over the seeds that it is compared on,
so that the comparison favors it.
"""

import argparse
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import datasets, plugins, strategies
from labelbench_ray.config import Part
from labelbench_ray.datasets import Split
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.report.statistics.paired import Estimate, area_under_curve, estimate
from labelbench_ray.strategies import NO_NOTE, ChosenRound
from labelbench_ray.types import PoolView

CONDITION: Final = Part.of("imbalanced", dataset="digits", ratio=10.5, minority=[0, 1, 2], classes=4)
CLASSES, RARE = 4, 3
ARMS: Final = (
    *(Part(name=name) for name in ("random", "confidence", "margin", "entropy")),
    *(Part.of("most_likely_positive", classes=[label]) for label in range(RARE)),
)
BANDIT, MIXTURE = (Part.of(name, arms=ARMS, per_class=[]) for name in ("tailor", "uniform_mixture"))
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Rows with their true labels."""

    pool_ND: NDArray[np.float32]
    pool_N: NDArray[np.int64]
    test_VD: NDArray[np.float32]
    test_V: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A strategy's curve of one seed: T rounds."""

    accuracy_T: Floats
    """Balanced, on the test rows, in %."""
    rare: int
    """Rows of rare classes found."""
    pulls_TA: NDArray[np.int64]
    """Rows that each arm chose, by round; of the strategies with arms."""


def data() -> Data:
    """The condition's pool and test rows as pixels."""
    with tempfile.TemporaryDirectory() as empty:
        source = plugins.build(datasets.Dataset, datasets.PACKAGE, CONDITION).open(Path(empty))
    return Data(*_pixels(source.splits["pool"]), *_pixels(source.splits["test"]))


def _pixels(split: Split) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    records, encoder = split.read(0, len(split)), Pixels()
    network = encoder.load("cpu")
    return network.embed([encoder.decode(payload) for payload in records.payloads]), records.labels_B


@dataclass(frozen=True, slots=True)
class Protocol:
    """What all trials share."""

    rounds: int
    budget: int
    inverse_penalty: float


def run(part: Part, seed: int, shared: Protocol, rows: Data) -> Curve:
    """One trial: the first batch is random, the same for every strategy of a seed."""
    strategy = plugins.build(strategies.Strategy, strategies.PACKAGE, part)
    rounds, budget = shared.rounds, shared.budget
    first = np.random.default_rng([seed, 0]).permutation(len(rows.pool_N))[:budget]
    history = [ChosenRound(first, rows.pool_N[first], np.full(budget, NO_NOTE))]
    accuracies, pulls = [], []
    for number in range(1, rounds + 1):
        labeled = np.concatenate([earlier.ids for earlier in history])
        weight_DK, bias_K = _fit(rows.pool_ND[labeled], rows.pool_N[labeled], shared.inverse_penalty)
        predicted_V = (rows.test_VD @ weight_DK + bias_K).argmax(axis=1)
        accuracies.append(np.mean([(predicted_V[rows.test_V == label] == label).mean() for label in range(CLASSES)]))
        if number == rounds:
            break
        view = PoolView.from_linear(rows.pool_ND, weight_DK, bias_K, labeled, rows.pool_N[labeled])
        chosen = strategy.select_with_notes(view, budget, np.random.default_rng([seed, number]), history=history)
        notes = np.full(budget, NO_NOTE) if chosen.notes is None else chosen.notes
        history.append(ChosenRound(chosen.ids, rows.pool_N[chosen.ids], notes))
        pulls.append(np.bincount(notes[notes >= 0], minlength=len(ARMS)))
    found = rows.pool_N[np.concatenate([earlier.ids for earlier in history])]
    return Curve(100 * np.array(accuracies), int((found < RARE).sum()), np.array(pulls))


def _fit(
    features_LD: NDArray[np.float32], labels_L: NDArray[np.int64], inverse_penalty: float
) -> tuple[NDArray[np.float32], Floats]:
    """(D, K) and (K,): a logistic regression; a class without labels gets a bias that no row overcomes."""
    from sklearn.linear_model import LogisticRegression

    there = np.unique(labels_L)
    weight_DK, bias_K = np.zeros((features_LD.shape[1], CLASSES), np.float32), np.full(CLASSES, -20.0)
    if len(there) == 1:
        bias_K[there] = 0.0
        return weight_DK, bias_K
    model = LogisticRegression(C=inverse_penalty, max_iter=300).fit(features_LD, labels_L)
    if len(there) == 2:
        weight_DK[:, there[1]], bias_K[there] = model.coef_[0], (0.0, model.intercept_[0])
    else:
        weight_DK[:, there], bias_K[there] = model.coef_.T, model.intercept_
    return weight_DK, bias_K


def difference(mine: list[Curve], theirs: list[Curve], labels_T: Floats) -> Estimate:
    """AULC, paired by seed."""
    return estimate(_areas(mine, labels_T) - _areas(theirs, labels_T))


def _areas(curves: list[Curve], labels_T: Floats) -> Floats:
    return area_under_curve(labels_T, np.stack([curve.accuracy_T for curve in curves]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--inverse-penalty", type=float, default=1.0, help="of the logistic regression")
    parser.add_argument("--tiny", action="store_true", help="2 seeds of 3 rounds")
    given = parser.parse_args()
    seeds, rounds = (2, 3) if given.tiny else (given.seeds, given.rounds)
    warnings.filterwarnings("ignore", module="sklearn")
    rows, labels_T = data(), given.budget * np.arange(1.0, rounds + 1)
    shared = Protocol(rounds, given.budget, given.inverse_penalty)
    curves = {str(part): [run(part, seed, shared, rows) for seed in range(seeds)] for part in (*ARMS, BANDIT, MIXTURE)}
    for name, each in curves.items():
        found = np.mean([curve.rare for curve in each])
        print(f"{name[:48]:48} AULC {_areas(each, labels_T).mean():5.1f}  rare rows {found:4.1f}")
    bandit, mixture = curves[str(BANDIT)], curves[str(MIXTURE)]
    best = max(map(str, ARMS), key=lambda name: float(_areas(curves[name], labels_T).mean()))
    for name, other in ((f"best single arm ({best})", curves[best]), ("uniform_mixture", mixture)):
        found = difference(bandit, other, labels_T)
        print(f"tailor less {name}: {found.value:+.2f} points ({found.low:+.2f} to {found.high:+.2f}), {seeds} seeds")
    pulls_TA = np.mean([curve.pulls_TA for curve in bandit], axis=0)
    print("tailor's pulls in the first and the last round, by arm:", *(np.round(pulls_TA[[0, -1]], 1).tolist()))


if __name__ == "__main__":
    main()

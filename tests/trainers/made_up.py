"""Made-up batches and problems for trainers that learn from unlabeled rows, and the check of one against an oracle."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelbench_ray import plugins, trainers
from labelbench_ray.plugins import Part
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.trainers import EmbeddedInputs, FitData, PseudoLabels, Trainer
from labelbench_ray.trainers.engine.data import Validated, embedded_data
from labelbench_ray.trainers.engine.device import ALONE
from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import State, Step
from labelbench_ray.types import Examples, Ids

METHODS = ["pseudo_label", "uda", "fixmatch", "flexmatch", "freematch", "softmatch"]


def method(name: str, **settings: object) -> SemiSupervised:
    made = plugins.build(Trainer, trainers.PACKAGE, Part.of(name, **settings))  # type: ignore[arg-type]
    assert isinstance(made, SemiSupervised)
    return made


def observed_steps(monkeypatch: pytest.MonkeyPatch) -> list[PseudoLabels]:
    """What every step from now on makes of its unlabeled rows, in whatever epoch."""
    steps: list[PseudoLabels] = []
    report = SemiSupervised.report

    def observing(trainer: SemiSupervised, step: Step, term: Term) -> None:
        on_pseudo_labels = step.data.on_pseudo_labels
        both = replace(step.data, on_pseudo_labels=lambda labels: (steps.append(labels), on_pseudo_labels(labels)))
        report(trainer, replace(step, data=both), term)

    monkeypatch.setattr(SemiSupervised, "report", observing)
    return steps


@dataclass
class GivenInputs:
    """The inputs of every row, as leaves that gradients can flow to; notes what it was asked for."""

    rows: dict[str, Tensor]
    asked: list[tuple[str, Ids, int]] = field(default_factory=list)

    def labeled(self, places_B: Ids, epoch: int) -> Tensor:
        return self._rows("labeled", places_B, epoch)

    def weak(self, places_B: Ids, epoch: int) -> Tensor:
        return self._rows("weak", places_B, epoch)

    def strong(self, places_B: Ids, epoch: int) -> Tensor:
        return self._rows("strong", places_B, epoch)

    def _rows(self, kind: str, places_B: Ids, epoch: int) -> Tensor:
        self.asked.append((kind, places_B, epoch))
        return self.rows[kind][torch.from_numpy(places_B)]


def fit_data(
    classes: int,
    labeled: int,
    unlabeled: int,
    on_pseudo_labels: Callable[[PseudoLabels], None] = lambda _: None,
    scale: float = 3.0,
) -> FitData:
    rng = np.random.default_rng(classes + unlabeled)
    sizes = {"labeled": labeled, "weak": unlabeled, "strong": unlabeled}
    rows = {
        kind: torch.tensor(scale * rng.normal(size=(size, classes)), dtype=torch.float32, requires_grad=True)
        for kind, size in sizes.items()
    }
    return FitData(
        inputs=GivenInputs(rows),
        answers_L=np.arange(labeled) % classes,
        labeled_ids_L=np.arange(labeled),
        unlabeled_ids_U=np.arange(labeled, labeled + unlabeled),
        num_classes=classes,
        validate=lambda _: Validated(1.0, 0.0),
        logits=lambda tensors, places_B: np.zeros((len(places_B), classes), np.float32),
        on_pseudo_labels=on_pseudo_labels,
    )


def step(given: FitData, state: State, labeled_B: Ids, unlabeled_U: Ids, progress: float = 0.5, epoch: int = 0) -> Step:
    """A step whose module is the identity: inputs are logits."""
    rng = np.random.default_rng(0)
    return Step(nn.Identity(), given, ALONE, state, labeled_B, unlabeled_U, epoch, progress, rng)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@dataclass
class Expected:
    """What an oracle says of a batch."""

    loss: Callable[[np.ndarray], float]
    """Of the students' logits, targets and weights held fixed."""
    labels: np.ndarray
    weights: np.ndarray


def weighted_cross_entropy(labels: np.ndarray, weights: np.ndarray) -> Callable[[np.ndarray], float]:
    def loss(student: np.ndarray) -> float:
        total = 0.0
        for row, label, weight in zip(student, labels, weights, strict=True):
            total -= weight * np.log(np.exp(row[label]) / np.exp(row).sum())
        return total / len(student)

    return loss


def check_ten_steps(
    trainer: SemiSupervised,
    oracle: Callable[[np.ndarray, np.ndarray, float], Expected],
    state_of: Callable[[], dict[str, np.ndarray]] = dict,
    classes: int = 4,
    rows: int = 30,
    batch: int = 12,
) -> list[Expected]:
    """Losses, gradients, pseudo-labels, weights and state are those of a float64 oracle, step by step."""
    given = fit_data(classes, classes, rows)
    state, rng, seen = trainer.begin(given), np.random.default_rng(7), []
    for number in range(10):
        # Ever surer, so that thresholds are passed by none, some and many; one class is rare.
        bias = np.array([0.0] * (classes - 1) + [-2.0])
        weak, student = ((0.5 + number / 2) * rng.normal(size=(batch, classes)) + bias for _ in range(2))
        weak, student = (logits.astype(np.float32).astype(np.float64) for logits in (weak, student))
        places, progress = rng.choice(rows, batch, replace=False), number / 10
        student_UK = torch.tensor(student, dtype=torch.float32, requires_grad=True)
        weak_UK = torch.tensor(weak, dtype=torch.float32)
        pair = Pair(weak_UK, student_UK, weak_UK, torch.from_numpy(places), progress)
        term = trainer.unlabeled_loss(pair, step(given, state, np.arange(1), places, progress))
        total = term.loss + term.extra
        total.backward()
        expected = oracle(weak, places, progress)
        np.testing.assert_allclose(total.item(), expected.loss(student), rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(term.pseudo_labels_U, expected.labels)
        np.testing.assert_allclose(term.weights_U, expected.weights, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(student_UK.grad, numeric_gradient(expected.loss, student), rtol=1e-3, atol=2e-6)
        for name, value in state_of().items():
            assert state[name].dtype in (torch.float32, torch.int16, torch.int64)
            np.testing.assert_allclose(state[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
        seen.append(expected)
    return seen


def numeric_gradient(loss: Callable[[np.ndarray], float], at: np.ndarray, width: float = 1e-6) -> np.ndarray:
    gradient = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        there = np.zeros_like(at)
        there[place] = width
        gradient[place] = (loss(at + there) - loss(at - there)) / (2 * width)
    return gradient


def clusters(
    seed: int = 0, classes: int = 4, dimensions: int = 16, rows: int = 400
) -> tuple[FitData[EmbeddedInputs], Examples]:
    """One label a class, the views noisy copies of rows around centers; and test rows."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, dimensions))

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(number) % classes
        return centers[labels] + 0.6 * rng.normal(size=(number, dimensions)), labels

    pool, truth = drawn(rows)
    pairs = tuple(
        np.stack([pool + sigma * rng.normal(size=pool.shape) for sigma in (0.1, 0.4)], axis=1).astype(np.float16)
        for _ in range(3)
    )
    (validation, test), labeled = (drawn(200) for _ in range(2)), np.arange(classes)
    identity = Standardization(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))
    data = embedded_data(
        raw_LD=pool[labeled].astype(np.float32),
        labels_L=truth[labeled],
        validation=Examples(validation[0].astype(np.float32), validation[1]),
        num_classes=classes,
        standardization=identity,
        labeled_ids_L=labeled,
        unlabeled_ids_U=np.arange(classes, rows),
        pairs=pairs,
    )
    return data, Examples(test[0].astype(np.float32), test[1])

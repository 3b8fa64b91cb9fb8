"""The laws of trainers: a fit is a function of the proxy, the data and the seed, and it learns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import tasks
from labelbench_ray.contracts.law import Law, NotApplicable, raising_nothing, require
from labelbench_ray.contracts.settings import sent
from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.distributions import REAL
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.tasks import Task
from labelbench_ray.trainers import PreviousRound, Trainer
from labelbench_ray.trainers.engine.data import EmbeddedInputs, FitData, embedded_data
from labelbench_ray.types import Examples

CLASSES, DIMENSIONS, LABELED, UNLABELED = 4, 16, 60, 180
ENOUGH: Final = 1000
"""Labels from which a method with ordinary settings learns separate clusters."""
LEAST_ACCURACY: Final = 0.6
"""The mean over three seeds, on rows of four separate clusters. Guessing gives 0.25; with several labels a row, 0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A made-up problem that is easy to learn: separate clusters, one a class."""

    task: Task
    raw_LD: NDArray[np.float32]
    labels_L: NDArray[Any]
    data: FitData[EmbeddedInputs]
    test_ND: NDArray[np.float32]
    truth_N: NDArray[Any]


def fits_a_classifier(trainer: Trainer) -> None:
    """Of the classes, with finite probabilities."""
    for problem in _problems(trainer):
        model = trainer.fit(Linear(), problem.data, seed=0)
        what = type(model).__name__
        require(isinstance(model, Classifier), f"`fit` returned {what}", "return a labelbench_ray.proxies.Classifier")
        probabilities = model.probabilities(problem.test_ND)
        shape = (len(problem.truth_N), problem.data.num_classes)
        right = probabilities.shape == shape and bool(np.isfinite(probabilities).all())
        require(right, f"its probabilities have shape {probabilities.shape}, or are not finite", "check the loss")


def repeats(trainer: Trainer) -> None:
    """A trial that is continued fits what it would have fitted."""
    for problem in _problems(trainer):
        first = trainer.fit(Linear(), problem.data, seed=3).tensors()
        _problem_elsewhere(trainer)
        for other in (trainer, sent(trainer)):
            again = other.fit(Linear(), problem.data, seed=3).tensors()
            same = all(np.array_equal(first[name], again[name]) for name in first)
            fix = "draw from the seed alone, and keep nothing in the trainer between fits"
            require(same, "two fits of the same data and seed give different weights", fix)


def learns(trainer: Trainer) -> None:
    """With its settings as they are."""
    for problem in _problems(trainer, ENOUGH):
        models = [trainer.fit(Linear(), problem.data, seed=seed) for seed in range(3)]
        share = float(np.mean([_right(problem, model) for model in models]))
        found = f"with {ENOUGH} labels of four separate clusters {share:.0%} of new rows are right"
        require(
            share >= LEAST_ACCURACY, found, "check the sign of the loss, the learning rate and the number of epochs"
        )


def takes_few_labels(trainer: Trainer) -> None:
    """One row, and no row of some classes."""
    for problem in _problems(trainer):
        for rows in (1, 2, 7):
            few = _with_labels(problem, rows)
            with raising_nothing(f"with {rows} labeled rows", "some classes may have no label"):
                model = trainer.fit(Linear(), few.data, seed=0)
                finite = bool(np.isfinite(model.probabilities(problem.test_ND)).all())
            require(finite, f"with {rows} labeled rows its probabilities are not finite", "guard against empty classes")


def leaves_its_inputs(trainer: Trainer) -> None:
    """Labels and embeddings are shared with other fits."""
    for problem in _problems(trainer):
        arrays = [problem.raw_LD, problem.data.inputs.labeled_LD, problem.data.answers_L]
        before = [array.copy() for array in arrays]
        trainer.fit(Linear(), problem.data, seed=0)
        same = all(map(np.array_equal, arrays, before))
        require(same, "it changed the embeddings or labels that it was given", "change a copy")


def goes_on_from_earlier_rounds(trainer: Trainer) -> None:
    """Whether it uses them or not."""
    for problem in _problems(trainer):
        earlier = trainer.fit(Linear(), _with_labels(problem, LABELED // 2).data, seed=0).tensors()
        data = replace(problem.data, previous=(PreviousRound(LABELED // 2, partial(_given, earlier)),))
        with raising_nothing("with an earlier round", "its tensors are those that the classifier of that round had"):
            first, again = (trainer.fit(Linear(), data, seed=1).tensors() for _ in range(2))
        same = all(np.array_equal(first[name], again[name]) for name in first)
        require(same, "two fits after the same round give different weights", "draw from the seed alone")


def _right(problem: Problem, model: Classifier) -> float:
    """The share of new answers that are right; of numbers, the share of their variance that is explained."""
    predicted_NK, task = model.probabilities(problem.test_ND), problem.task
    if task.distribution == REAL:
        return task.of_split("Test", task.tally(predicted_NK, problem.truth_N))[f"Test {task.primary}"]
    return float(task.right_answers(predicted_NK, problem.truth_N).sum() / problem.truth_N.size)


def _problems(trainer: Trainer, labeled: int = LABELED) -> Iterator[Problem]:
    try:
        trainer.check(Linear())
    except ConfigError as error:
        raise NotApplicable(f"it does not fit a linear proxy ({error})") from error
    for name in trainer.tasks:
        yield _problem(trainer, tasks.create(name), labeled=labeled)


def _problem(trainer: Trainer, task: Task, seed: int = 0, labeled: int = LABELED) -> Problem:
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(CLASSES, DIMENSIONS))

    def drawn(rows: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
        numbers = np.arange(rows) % CLASSES
        several = bool(task.shape(CLASSES))
        labels = np.eye(CLASSES)[numbers] + np.eye(CLASSES)[0] > 0 if several else numbers
        embeddings = (centers[numbers] + 0.5 * rng.normal(size=(rows, DIMENSIONS))).astype(np.float32)
        return embeddings, labels.astype(task.dtype)

    (pool, truth), (validation, known), (test, unseen) = drawn(labeled + UNLABELED), drawn(40), drawn(100)
    wanted = trainer.wanted_views()
    pairs = tuple(
        np.stack([pool + sigma * rng.normal(size=pool.shape) for sigma in (0.1, 0.3)], axis=1).astype(np.float16)
        for _ in range(wanted.count if wanted else 0)
    )
    scaled = standardize(pool)
    held_out = Examples(scaled.apply(validation), known)
    numbers = np.arange(len(pool))
    data = embedded_data(
        pool[:labeled],
        truth[:labeled],
        held_out,
        CLASSES if task.fewest_classes > 1 else 1,
        scaled,
        numbers[:labeled],
        numbers[labeled:],
        pairs,
        task=task,
    )
    return Problem(task, pool[:labeled], truth[:labeled], data, test, unseen)


def _with_labels(problem: Problem, rows: int) -> Problem:
    inputs, numbers = problem.data.inputs, np.arange(LABELED + UNLABELED)
    data = embedded_data(
        problem.raw_LD[:rows],
        problem.labels_L[:rows],
        inputs.validation,
        problem.data.num_classes,
        inputs.standardization,
        numbers[:rows],
        numbers[rows:],
        inputs.pairs,
        task=problem.task,
    )
    return replace(problem, raw_LD=problem.raw_LD[:rows], labels_L=problem.labels_L[:rows], data=data)


def _problem_elsewhere(trainer: Trainer) -> None:
    """Another fit between two that must be alike."""
    other = _problem(trainer, tasks.create(trainer.tasks[0]), seed=1, labeled=12)
    trainer.fit(Linear(), other.data, seed=9)


def _given(tensors: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    return tensors


LAWS: Final[tuple[Law[Trainer], ...]] = (
    Law("fits a classifier of the classes", fits_a_classifier),
    Law("fits the same weights for the same data and seed, in every process", repeats),
    Law("learns four separate clusters from 1,000 labels", learns),
    Law("takes one labeled row, and classes without a label", takes_few_labels),
    Law("leaves its inputs as they are", leaves_its_inputs),
    Law("goes on from an earlier round", goes_on_from_earlier_rounds),
)

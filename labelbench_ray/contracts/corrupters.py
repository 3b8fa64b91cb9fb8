"""The laws of corrupters: what annotators answer is a function of the labels."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from labelbench_ray import tasks
from labelbench_ray.contracts.law import Law, require
from labelbench_ray.contracts.settings import sent
from labelbench_ray.corrupters import Corrupter, TruePool
from labelbench_ray.tasks import Task

CASES: Final = ((400, 7), (50, 2), (1, 3))
"""Rows and classes."""
DIMENSIONS: Final = 8


def leaves_the_truth(corrupter: Corrupter) -> None:
    """Metrics are measured with it."""
    for _, pool in _cases(corrupter):
        before = pool.labels_N.copy()
        corrupter.answers(pool)
        require(np.array_equal(pool.labels_N, before), "it changed the true labels", "change a copy: `labels_N.copy()`")


def repeats(corrupter: Corrupter) -> None:
    """All trials of one setting and seed buy from the same annotators."""
    for _, pool in _cases(corrupter):
        first = corrupter.answers(pool)
        others = [each.answers(pool) for each in (corrupter, sent(corrupter))]
        require(
            all(np.array_equal(first, other) for other in others),
            f"two calls for the same {len(pool.labels_N)} labels give different answers",
            "draw from `numpy.random.default_rng(self.seed)` or `self.stream(pool)`, made anew in each call",
        )


def answers_with_labels(corrupter: Corrupter) -> None:
    """Of the task."""
    for task, pool in _cases(corrupter):
        answers, labels, classes = corrupter.answers(pool), pool.labels_N, len(pool.classes)
        rule = f"return {task.answer_rule(classes)}, as {np.dtype(task.dtype)}, for each of the rows"
        is_array = isinstance(answers, np.ndarray)
        what = f"{answers.dtype} of shape {answers.shape}" if is_array else type(answers).__name__
        right = is_array and answers.shape == labels.shape and answers.dtype == labels.dtype
        require(right, f"for {len(labels)} rows it returned {what}", rule)
        wrong = answers[~task.is_label(answers, classes)]
        require(not len(wrong), f"of {classes} classes it answered {wrong[:1]}", rule)


def _cases(corrupter: Corrupter) -> Iterator[tuple[Task, TruePool]]:
    fitting = corrupter.classes_to_try()
    for name in corrupter.tasks:
        task = tasks.create(name)
        for rows, number in CASES:
            classes = fitting or tuple(map(str, range(number)))
            labels = task.made_up_labels(np.arange(rows), len(classes))
            embeddings_ND = np.random.default_rng(0).normal(size=(rows, DIMENSIONS)).astype(np.float32)
            yield task, TruePool(labels, classes, embeddings=embeddings_ND)


LAWS: Final[tuple[Law[Corrupter], ...]] = (
    Law("leaves the true labels as they are", leaves_the_truth),
    Law("gives the same answers for the same labels, in every process", repeats),
    Law("answers with labels of the task", answers_with_labels),
)

"""Sums over a task's rows, from which everything else is computed: a pure function of the task, which may run anywhere.

Rows have weights: 1 for answers that are numbers. Two classes are fitted by iteratively reweighted least squares; the
weights are those of Jaakkola and Jordan's bound (2000), with which no iteration raises the penalized loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.types import BLOCK_ROWS, Floats, Ids, Labels

Reals = NDArray[np.float64]
TINY: Final = float(np.finfo(np.float64).tiny)


class PoolInputs(Protocol):
    """The rows of a pool as a model takes them. Picklable: it travels to where the moments of a task are computed."""

    @property
    def dimensions(self) -> int:
        """D."""
        ...

    @property
    def num_classes(self) -> int:
        """K."""
        ...

    def standardized(self, ids_B: Ids) -> Floats:
        """(B, D) float32 inputs of these rows, in this order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Weighted sums over rows; those of parts add up."""

    rows: int
    weight: float
    answers: float
    inputs_D: Reals
    products_D: Reals
    """Inputs times answers."""
    squares_DD: Reals
    """Inputs times inputs."""

    def __add__(self, other: Self) -> "Moments":
        return Moments(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def centered(self) -> tuple[Reals, Reals]:
        """(D, D) and (D,): squares and products around the weighted means, so that biases drop out."""
        mean_D = self.inputs_D / max(self.weight, TINY)
        return self.squares_DD - np.outer(self.inputs_D, mean_D), self.products_D - mean_D * self.answers

    def bias(self, weight_D: Reals) -> float:
        """The bias that goes with weights."""
        return float((self.answers - self.inputs_D @ weight_D) / max(self.weight, TINY))


@dataclass(frozen=True, slots=True, eq=False)
class TaskRows:
    """A task's labeled rows: pool ids and answers, aligned, in the order in which they were bought."""

    ids_L: Ids
    answers_L: Labels
    """(L,) float64, or class numbers 0 and 1 together with a model of their logits."""
    logits: tuple[Reals, float] | None = None
    """Weights (D,) and bias of the present model, for answers that are classes."""


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """The moments of every other row of a task, and of the rows between."""

    first: Moments
    second: Moments


def task_moments(inputs: PoolInputs, task: TaskRows) -> Halves:
    """The moments of a task's rows, read from the store block by block."""
    first, second = (_moments(inputs, task, half) for half in (slice(0, None, 2), slice(1, None, 2)))
    return Halves(first, second)


def _moments(inputs: PoolInputs, task: TaskRows, half: slice) -> Moments:
    total = no_rows(inputs.dimensions)
    for ids_B, answers_B in _blocks(task.ids_L[half], task.answers_L[half]):
        inputs_BD = inputs.standardized(ids_B).astype(np.float64)
        total += block_moments(inputs_BD, *_weighted(inputs_BD, answers_B, task.logits))
    return total


def no_rows(dimensions: int) -> Moments:
    """The moments of a task without rows."""
    return Moments(0, 0.0, 0.0, np.zeros(dimensions), np.zeros(dimensions), np.zeros((dimensions, dimensions)))


def block_moments(inputs_BD: Reals, answers_B: Reals, weights_B: Reals) -> Moments:
    """The moments of these rows."""
    weighted_BD = inputs_BD * weights_B[:, None]
    return Moments(
        len(answers_B),
        float(weights_B.sum()),
        float(weights_B @ answers_B),
        weighted_BD.sum(axis=0),
        weighted_BD.T @ answers_B,
        weighted_BD.T @ inputs_BD,
    )


def _weighted(inputs_BD: Reals, answers_B: Labels, logits: tuple[Reals, float] | None) -> tuple[Reals, Reals]:
    """Answers and weights of least squares; of classes, the working answers of the present model."""
    if logits is None:
        return answers_B.astype(np.float64), np.ones(len(answers_B))
    weight_D, bias = logits
    logits_B = np.abs(inputs_BD @ weight_D + bias)
    # tanh(z / 2) / 2z, which is 1/4 at z = 0.
    weights_B = np.where(logits_B > 1e-6, np.tanh(logits_B / 2) / np.maximum(2 * logits_B, 1e-12), 0.25)
    return (answers_B - 0.5) / weights_B, weights_B


def _blocks(ids_L: Ids, answers_L: Labels) -> Iterator[tuple[Ids, Labels]]:
    """By ascending id, so that a memory-mapped store is read forward."""
    order_L = np.argsort(ids_L, kind="stable")
    for start in range(0, len(ids_L), BLOCK_ROWS):
        rows_B = order_L[start : start + BLOCK_ROWS]
        yield ids_L[rows_B], answers_L[rows_B]

"""Fitting all tasks: moments of each, a shared basis, a head a task; and the same from each half of the rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.task_heads import Heads, TaskHeads
from labelbench_ray.proxies.multitask.moments import Halves, Moments, PoolInputs, TaskRows, task_moments
from labelbench_ray.proxies.multitask.shared_basis import Problem, first_basis, heads, shared_basis, task_solutions
from labelbench_ray.types import Ids

Reals = NDArray[np.float64]
Rank = int | Literal["elbow"] | None
LARGEST_RANK: Final = 16
REWEIGHTED: Final = 25
"""Iterations of reweighted least squares, at most."""
SWEEPS_EACH: Final = 3
"""Sweeps of an iteration after the first."""
STILL: Final = 1e-4
"""They end once the coefficients of all tasks move by less than this share."""


class Map(Protocol):
    """Applies a function to every item, in any process, and returns the results in the order of the items."""

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], /) -> list[Any]: ...


def one_by_one(function: Callable[[Any], Any], items: Sequence[Any], /) -> list[Any]:
    """A `Map` in this process."""
    return [function(item) for item in items]


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """The labeled rows of the target and of every source task that has some."""

    target: int
    target_rows: TaskRows
    numbers_M: Ids
    sources: tuple[TaskRows, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What was learned, for standardized inputs."""

    basis_DR: Reals
    weight_D: Reals
    """The target's, on the shared representation; like the next one. Alone where there is no source task."""
    bias: float
    alone_D: Reals
    """The target's from its rows alone, by ridge regression."""
    alone_bias: float
    heads: TaskHeads | None
    passes: int
    """Over all rows."""


def solve(inputs: PoolInputs, tasks: Tasks, rank: Rank, l2: float, classes: bool, map_tasks: Map) -> Solution:
    """Fit all tasks.

    Args:
        inputs: what the rows look like.
        tasks: their ids and answers.
        rank: R; None or "elbow": see `chosen_rank`.
        l2: the ridge penalty a row.
        classes: answers are 0 and 1, fitted by their logits.
        map_tasks: the moments of a task are a pure function of it, which this may send elsewhere.
    """
    every, moments, before = (*tasks.sources, tasks.target_rows), list[Halves](), np.full((1, 1), np.inf)
    if classes:
        every = tuple(replace(each, logits=(np.zeros(inputs.dimensions), 0.0)) for each in every)
    passes, basis_DR = 0, np.empty((0, 0))
    while passes < (REWEIGHTED if classes else 1):
        moments, passes = map_tasks(partial(task_moments, inputs), every), passes + 1
        totals = [each.first + each.second for each in moments]
        basis_DR = _basis(totals, rank, l2) if passes == 1 else _moved_basis(totals, basis_DR, l2)
        weights_TD = heads(Problem.of(totals), basis_DR, l2) @ basis_DR.T
        if classes:
            if np.linalg.norm(weights_TD - before) <= STILL * np.linalg.norm(weights_TD):
                break
            biases = [each.bias(weight_D) for each, weight_D in zip(totals, weights_TD, strict=True)]
            every = tuple(
                replace(each, logits=(weight_D, bias))
                for each, weight_D, bias in zip(every, weights_TD, biases, strict=True)
            )
            before = weights_TD
    target = totals[-1]
    alone_D = task_solutions(Problem.of([target]), l2)[0]
    found = _task_heads(tasks, moments, basis_DR, l2) if tasks.sources else None
    weight_D = weights_TD[-1]
    return Solution(basis_DR, weight_D, target.bias(weight_D), alone_D, target.bias(alone_D), found, passes)


def chosen_rank(problem: Problem, rank: Rank, target_rows: int, l2: float) -> int:
    """R: as given; else 16, at most a fourth of the tasks and half of the target's rows.

    "elbow": as many as there are singular values of the tasks' own solutions before the largest drop, at most that.
    """
    tasks, dimensions = problem.products_MD.shape
    if isinstance(rank, int):
        return int(min(rank, dimensions))
    most = int(max(1, min(LARGEST_RANK, tasks // 4, target_rows // 2, dimensions)))
    if rank is None:
        return most
    values_R = np.linalg.svd(task_solutions(problem, l2), compute_uv=False)[: most + 1]
    drops = values_R[:-1] / np.maximum(values_R[1:], np.finfo(np.float64).tiny)
    return int(drops[:most].argmax()) + 1 if len(drops) else most


def _basis(totals: Sequence[Moments], rank: Rank, l2: float) -> Reals:
    """(D, R) of the source tasks, which come before the target; every direction where there is none."""
    *sources, target = totals
    if not sources:
        return np.eye(len(target.inputs_D))
    problem = Problem.of(sources)
    return shared_basis(problem, first_basis(problem, chosen_rank(problem, rank, target.rows, l2)), l2)


def _moved_basis(totals: Sequence[Moments], basis_DR: Reals, l2: float) -> Reals:
    """(D, R): that of an iteration before, a few sweeps further; the next one goes on from here."""
    *sources, _ = totals
    return shared_basis(Problem.of(sources), basis_DR, l2, SWEEPS_EACH) if sources else basis_DR


def _task_heads(tasks: Tasks, moments: Sequence[Halves], basis_DR: Reals, l2: float) -> TaskHeads:
    halves = [[each.first for each in moments], [each.second for each in moments]]
    # The basis of all rows is near that of each half, so that few sweeps remain.
    first, second = (_heads(half, shared_basis(Problem.of(half[:-1]), basis_DR, l2), l2) for half in halves)
    totals = [each.first + each.second for each in moments]
    return TaskHeads(tasks.target, tasks.numbers_M, _heads(totals, basis_DR, l2), (first, second))


def _heads(moments: Sequence[Moments], basis_DR: Reals, l2: float) -> Heads:
    found_MR = heads(Problem.of(moments), basis_DR, l2)
    return Heads(np.ascontiguousarray(found_MR[:-1].T), found_MR[-1])

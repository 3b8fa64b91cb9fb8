"""A budget shared out over tasks, one row at a time, and the rows that another strategy ranks within each task.

Rows are dealt by Webster's rule: the next one goes to the task with the largest weight / (2 * rows so far + 1) among
those with rows left. The deal for a budget is therefore the beginning of the deal for a larger one, which the method of
largest remainders does not give.
"""

import heapq
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.plugins import Part
from labelbench_ray.strategies._notes import LARGEST_NOTE, Chosen, History
from labelbench_ray.strategies._ranking import subkey, tie_hash
from labelbench_ray.strategies._wrapper import Composed
from labelbench_ray.types import Ask, Ids, PoolView, Shard


class TaskQuotas(Composed):
    """A strategy that shares the budget out over the tasks of the fact `task`; notes hold each row's task."""

    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    strategy: Part = Part(name="random")
    """Which prompts of a task are chosen."""

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return tuple(sorted({*super().facts, "task"}))

    @abstractmethod
    def weights(self, view: PoolView, rows: Sequence[Ids], key: int) -> NDArray[np.float64]:
        """(T,) the share of each task, positive; `rows` are the ascending ids of each that may be chosen."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        return self.choose_with_notes(view, budget, key, ask, ()).ids

    def choose_with_notes(self, view: PoolView, budget: int, key: int, ask: Ask | None, history: History) -> Chosen:
        tasks_T, rows = rows_by_task(view)
        sizes_T = np.array([len(ids) for ids in rows])
        turns_B = deal(self.weights(view, rows, key), sizes_T, budget, tie_hash(key, tasks_T))
        inner, ids_B = self._inner()["strategy"], np.empty(budget, np.int64)
        for place in np.unique(turns_B):
            turns = np.flatnonzero(turns_B == place)
            rng = np.random.default_rng(subkey(key, f"task {tasks_T[place]}"))
            ids_B[turns] = inner.select(view.only(rows[place]), len(turns), rng, ask)
        return Chosen(ids_B, tasks_T[turns_B])


def rows_by_task(view: PoolView) -> tuple[Ids, list[Ids]]:
    """The tasks of the rows that may be chosen, (T,) ascending, and the ascending ids of each.

    Raises:
        ValueError: a task is not a whole number that a note can hold.
    """
    numbers_U = np.concatenate([np.empty(0), *view.map(_open_tasks)])
    ids_U = view.open_ids()
    wrong_U = (numbers_U != np.floor(numbers_U)) | (numbers_U < 0) | (numbers_U > LARGEST_NOTE)
    if wrong_U.any():
        raise ValueError(
            f"the fact 'task': row {ids_U[wrong_U][0]} has {numbers_U[wrong_U][0]}; a task must be a whole number in "
            f"0 .. {LARGEST_NOTE}; number the tasks"
        )
    order_U = np.argsort(numbers_U, kind="stable")
    tasks_T, starts_T = np.unique(numbers_U[order_U], return_index=True)
    return tasks_T.astype(np.int64), np.split(ids_U[order_U], starts_T[1:])


def deal(weights_T: NDArray[np.float64], sizes_T: NDArray[np.int64], budget: int, hashes_T: NDArray[np.uint64]) -> Ids:
    """(budget,) whose turn it is, by Webster's rule among the tasks with rows left; ties go by hash."""
    heap = [
        (-weight, int(hashed), place) for place, (weight, hashed) in enumerate(zip(weights_T, hashes_T, strict=True))
    ]
    heapq.heapify(heap)
    got_T, turns_B = np.zeros(len(weights_T), np.int64), np.empty(budget, np.int64)
    for turn in range(budget):
        _, hashed, place = heapq.heappop(heap)
        turns_B[turn] = place
        got_T[place] += 1
        if got_T[place] < sizes_T[place]:
            heapq.heappush(heap, (-weights_T[place] / (2 * got_T[place] + 1), hashed, place))
    return turns_B


def facts_of(view: PoolView, ids_C: Ids, name: str) -> NDArray[np.float64]:
    """(C,) a fact of these ascending ids."""
    return np.concatenate([np.empty(0), *view.map(partial(_fact_among, ids_C=ids_C, name=name))])


def _fact_among(shard: Shard, ids_C: Ids, name: str) -> NDArray[np.float64]:
    inside_S = np.isin(shard.ids_S, ids_C, assume_unique=True)
    return shard.facts[name][inside_S]


def _open_tasks(shard: Shard) -> NDArray[np.float64]:
    return shard.facts["task"][shard.open_S]

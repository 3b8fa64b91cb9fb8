"""Pools of several tasks: how many rows each has, and rows of two classes for tasks that ask "is it this one?"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Records, Rows, Table
from labelbench_ray.types import Ids


def task_sizes(tasks: int, target: int, rows_per_task: int, target_rows: int, most: int | None) -> Ids:
    """(tasks,) rows of each; of at most `most` rows in all, the target has up to a third."""
    if most is None or most >= (tasks - 1) * rows_per_task + target_rows:
        return np.where(np.arange(tasks) == target, target_rows, rows_per_task)
    of_target = max(2, min(target_rows, most // 3))
    each = max(2, (most - of_target) // (tasks - 1))
    return np.where(np.arange(tasks) == target, of_target, each)


def balanced(labels_N: NDArray[np.bool_], rows: int, rng: np.random.Generator) -> Ids:
    """At most `rows` places, half of them where the label is true, as far as there are such; ascending."""
    halves = [rng.permutation(np.flatnonzero(labels_N == value))[: -(-rows // 2)] for value in (True, False)]
    fewest = min(len(half) for half in halves)
    return np.sort(np.concatenate([half[:fewest] for half in halves]))


@dataclass(frozen=True, slots=True, eq=False)
class TaskTable:
    """Rows of another table, each asked about by one task: "is it of the task's classes?"."""

    table: Table
    rows_N: Ids
    """Their numbers in that table."""
    tasks_N: Ids
    labels_N: Ids
    """1 for yes, 0 for no."""

    def __len__(self) -> int:
        return len(self.rows_N)

    def read(self, rows: Rows) -> Records:
        places_B = np.asarray(rows, np.int64)
        read = self.table.read(self.rows_N[places_B])
        named = zip(read.row_ids, self.tasks_N[places_B].tolist(), strict=True)
        return Records([f"{row_id}?{task:03d}" for row_id, task in named], read.payloads, self.labels_N[places_B])

    def labels(self, rows: Rows) -> Ids:
        """(B,) labels of these rows."""
        return self.labels_N[np.asarray(rows, np.int64)]

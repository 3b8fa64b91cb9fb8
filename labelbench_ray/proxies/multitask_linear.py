"""Many tasks on one shared linear representation, fitted in closed form; a row's task is its fact `task`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.pool.facts import Facts
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.pool.task_heads import Heads, TaskHeads
from labelbench_ray.proxies import Classifier, SelfFitted
from labelbench_ray.proxies.multitask.fit import Map, Tasks, solve
from labelbench_ray.proxies.multitask.moments import PoolInputs, TaskRows
from labelbench_ray.types import Floats, Ids, Labels

TASK: Final = "task"
HEADS: Final = "task_heads"


@dataclass(frozen=True, eq=False)
class MultitaskClassifier(Classifier):
    """The target's model. It also has the heads of all tasks, and the target's model from its own rows alone."""

    heads: TaskHeads | None = None
    alone_layer: tuple[Floats, Floats] | None = None

    @property
    def task_heads(self) -> TaskHeads | None:
        return self.heads

    @property
    def alone(self) -> Classifier | None:
        assert self.alone_layer is not None
        return Classifier(self.standardization, (self.alone_layer,), self.distribution)

    def tensors(self) -> dict[str, NDArray[Any]]:
        assert self.alone_layer is not None
        named = super().tensors() | {"alone.w": self.alone_layer[0], "alone.b": self.alone_layer[1]}
        if self.heads is None:
            return named
        every = (self.heads.all_rows, *self.heads.halves)
        return named | {
            f"{HEADS}.tasks": self.heads.tasks_M,
            f"{HEADS}.target": np.array([self.heads.target]),
            f"{HEADS}.sources": np.stack([each.heads_RM for each in every]),
            f"{HEADS}.targets": np.stack([each.target_R for each in every]),
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Floats], distribution: Distribution = CATEGORICAL) -> Self:
        return cls(
            Standardization(tensors["mean"], tensors["scale"]),
            ((tensors["0.weight"], tensors["0.bias"]),),
            distribution,
            _read_heads(tensors),
            (tensors["alone.w"], tensors["alone.b"]),
        )


class MultitaskLinear(SelfFitted):
    """answer = head of the task · (basis · x) + bias, with a basis that all source tasks share; it predicts the target.

    Answers are numbers, or the second of two classes by its logit. Without `target` all rows are one task: ridge
    regression.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "single_label")
    target: NonNegativeInt | None = None
    """The number of the task to predict, as the fact `task` has it; test rows are of that task."""
    rank: PositiveInt | Literal["elbow"] | None = None
    """How many dimensions the shared representation has. None: 16, at most a fourth of the source tasks and half of the
    target's labeled rows; "elbow": as many as singular values of the tasks' own solutions before the largest drop."""
    l2: float = Field(default=1e-3, gt=0)
    """The ridge penalty a row."""

    @property
    def facts(self) -> tuple[str, ...]:
        return () if self.target is None else (TASK,)

    def widths(self, dimensions: int, classes: int) -> tuple[int, ...]:
        return (dimensions, classes)

    def classifier_type(self) -> type[Classifier]:
        return MultitaskClassifier

    def fit(
        self,
        inputs: PoolInputs,
        standardization: Standardization,
        labeled_L: Ids,
        labels_L: Labels,
        facts: Facts,
        distribution: Distribution,
        map_tasks: Map,
        weights_L: NDArray[np.float64] | None = None,
    ) -> tuple[Classifier, int]:
        assert weights_L is None, "it states that it weighs no labels"
        by_task = self._by_task(labeled_L, labels_L, facts)
        classes, target_rows = distribution == CATEGORICAL, len(by_task.target_rows.ids_L)
        if isinstance(self.rank, int) and target_rows < 2 * self.rank and by_task.sources:
            raise ConfigError(
                f"proxy: the target {self.target} has {target_rows} labeled rows, and rank={self.rank} needs "
                f"{2 * self.rank}; lower `rank`, or label more rows of the target"
            )
        solution = solve(inputs, by_task, self.rank, self.l2, classes, map_tasks)
        layer, alone = (
            _layer(weight_D, bias, classes)
            for weight_D, bias in ((solution.weight_D, solution.bias), (solution.alone_D, solution.alone_bias))
        )
        return MultitaskClassifier(standardization, (layer,), distribution, solution.heads, alone), solution.passes

    def _by_task(self, labeled_L: Ids, labels_L: Labels, facts: Facts) -> Tasks:
        if self.target is None:
            return Tasks(0, TaskRows(labeled_L, labels_L), np.empty(0, np.int64), ())
        task_L = facts[TASK]
        numbers = [number for number in np.unique(task_L).astype(np.int64).tolist() if number != self.target]
        rows = {number: np.flatnonzero(task_L == number) for number in (*numbers, self.target)}
        every = {number: TaskRows(labeled_L[mine], labels_L[mine]) for number, mine in rows.items()}
        return Tasks(
            self.target, every[self.target], np.array(numbers, np.int64), tuple(every[number] for number in numbers)
        )


def _layer(weight_D: NDArray[np.float64], bias: float, classes: bool) -> tuple[Floats, Floats]:
    """A layer whose softmax has this logit of the second class, or which predicts the number."""
    columns = (-0.5, 0.5) if classes else (1.0,)
    return np.outer(weight_D, columns).astype(np.float32), (bias * np.array(columns)).astype(np.float32)


def _read_heads(tensors: Mapping[str, Floats]) -> TaskHeads | None:
    if f"{HEADS}.tasks" not in tensors:
        return None
    sources, targets = (np.asarray(tensors[f"{HEADS}.{name}"], np.float64) for name in ("sources", "targets"))
    every, first, second = (Heads(heads_RM, target_R) for heads_RM, target_R in zip(sources, targets, strict=True))
    numbers_M: Ids = np.asarray(tensors[f"{HEADS}.tasks"], np.int64)
    return TaskHeads(int(tensors[f"{HEADS}.target"][0]), numbers_M, every, (first, second))

"""Equal numbers of prompts of every task, in turn."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import Want
from labelbench_ray.strategies._task_quotas import TaskQuotas
from labelbench_ray.types import Ids, PoolView


class TaskRoundRobin(TaskQuotas):
    """Every task gets as many prompts as the others, or all that it has; `strategy` chooses within a task."""

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    cost: ClassVar[str] = "N a task, and that of its strategy on each task"
    guarantee: ClassVar[str] = "exact quotas, dealt one prompt at a time"
    source: ClassVar[str] = "TaskDiversity, EMNLP 2025, [2507.21482](https://arxiv.org/abs/2507.21482)"

    def weights(self, view: PoolView, rows: Sequence[Ids], key: int) -> NDArray[np.float64]:
        return np.ones(len(rows))

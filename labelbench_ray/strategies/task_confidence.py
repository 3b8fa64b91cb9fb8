"""More prompts of the tasks on which a language model is less confident."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.strategies import Want
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.strategies._task_quotas import TaskQuotas, facts_of
from labelbench_ray.types import Ids, PoolView


class TaskConfidence(TaskQuotas):
    """Quotas proportional to 1 / confidence of a task: the mean over some of its prompts of exp(mean_t log q_t(y_t)).

    That is the geometric mean of the probabilities of the greedy answer's tokens. `strategy` chooses within a task.
    """

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    cost: ClassVar[str] = "N a task, and that of its strategy on each task"
    guarantee: ClassVar[str] = "exact quotas, dealt one prompt at a time; the paper's exact confidence is not public"
    source: ClassVar[str] = "WeightedTaskDiversity, EMNLP 2025, [2507.21482](https://arxiv.org/abs/2507.21482)"
    probes: int = Field(default=100, gt=0)
    """How many prompts of a task its confidence is measured on; all, if it has fewer."""

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return tuple(sorted({*super().facts, "neg_logprob", "num_new_tokens"}))

    def weights(self, view: PoolView, rows: Sequence[Ids], key: int) -> NDArray[np.float64]:
        drawn = [np.sort(sample(ids, subkey(key, "probes"), self.probes)) for ids in rows]
        ids_C = np.sort(np.concatenate(drawn))
        costs_C = facts_of(view, ids_C, "neg_logprob") / facts_of(view, ids_C, "num_new_tokens")
        confidences_C = np.exp(-costs_C)
        confidences_T = np.array([confidences_C[np.searchsorted(ids_C, ids)].mean() for ids in drawn])
        # A confidence of 0 would take the budget; the smallest normal number does so as well, and is finite.
        weights_T: NDArray[np.float64] = 1 / np.maximum(confidences_T, np.finfo(np.float64).tiny)
        return weights_T

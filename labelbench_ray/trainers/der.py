"""Dark experience replay (CAL-DER of Das et al. 2023, arXiv 2305.06408; Buzzega et al. 2020, 2004.07211)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat

from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.replay import Replay, logits_when_bought
from labelbench_ray.trainers.engine.step import State, Step

if TYPE_CHECKING:
    from torch import Tensor


class Der(Replay):
    """Newest rows as in `supervised`; older rows, drawn uniformly, by their labels and by their logits of then.

    loss = cross-entropy of the newest rows + `labels` * cross-entropy of the older rows
    + `logits` * mean over older rows and classes of (logits now - logits then)^2,
    where the logits of then are those at the end of the round that bought the row, in evaluation mode. (The paper's
    code keeps those of the row's first epoch, and overwrites them in each round.) Smoothing applies to every
    cross-entropy, mixup to the newest rows only. `batch_size` counts the newest rows.
    """

    teaches: ClassVar[str] = "nothing; older rows by their labels and by the logits of the round that bought them"
    remembers: ClassVar[str] = "logits of the older rows"
    source: ClassVar[str] = "Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"
    older_per_newest: PositiveFloat = 2.0
    logits: NonNegativeFloat = 0.1
    """Weight of the squared distance of logits (the paper's alpha)."""
    labels: NonNegativeFloat = 1.0
    """Weight of the older rows' cross-entropy (the paper's beta)."""

    def begin(self, data: FitData[Inputs]) -> State:
        """The logits of each older row by the model of the round that bought it."""
        return super().begin(data) | logits_when_bought(data)

    def loss(self, step: Step) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy, mse_loss

        older = replace(step, labeled_B=self.replayed(step))
        if not len(older.labeled_B):
            return super().loss(step)
        inputs, targets_BK = self.batch(step)
        # One pass for both: a module that several processes share is called once a step.
        both = torch.cat([inputs, step.data.inputs.labeled(older.labeled_B, step.epoch)])
        logits = step.module(both).float()
        self.count(step, logits[: len(inputs)])
        now_RK = logits[len(inputs) :]
        then_RK = step.state["then"][torch.from_numpy(older.labeled_B)].to(now_RK.device)
        targets_RK = step.data.task.targets(older.labels_B, step.data.num_classes, self.label_smoothing)
        of_older = self.labels * cross_entropy(now_RK, targets_RK) + self.logits * mse_loss(now_RK, then_RK)
        return cross_entropy(logits[: len(inputs)], targets_BK) + of_older

"""Scaled distillation (CAL-SD of Das et al. 2023, arXiv 2305.06408)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.replay import Outputs, Replay, logits_when_bought, num_older
from labelbench_ray.trainers.engine.step import State, Step

if TYPE_CHECKING:
    from torch import Tensor


class ScaledDistillation(Replay):
    """Newest rows as in `supervised`; older rows, drawn uniformly, also by the logits of the round that bought them.

    loss = share * newest + (1 - share) * mean over as many older rows of
    [distillation * KL(softmax(then) || softmax(now)) + (1 - distillation) * cross-entropy], where `then` are the logits
    at the end of the round that bought the row, and `share` is the newest rows' share of all rows: it learns
    quickly early and steadily late. Smoothing applies to every cross-entropy, mixup to the newest rows only: the logits
    of a mixture are not known. `batch_size` counts the newest rows.
    """

    teaches: ClassVar[str] = (
        "nothing; as `experience_replay`, older rows also by the logits of the round that bought them"
    )
    remembers: ClassVar[str] = "logits of the older rows"
    source: ClassVar[str] = "Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.5

    def begin(self, data: FitData[Inputs]) -> State:
        """The logits of each older row by the model of the round that bought it."""
        return super().begin(data) | logits_when_bought(data)

    def loss(self, step: Step) -> Tensor:
        from torch.nn.functional import cross_entropy

        found = self.outputs(step)
        if found is None:
            return super().loss(step)
        share = 1 - num_older(step.data) / len(step.data.labels_L)
        newest_loss = cross_entropy(found.newest_BK, found.newest_targets_BK)
        return share * newest_loss + (1 - share) * self.older_loss(found)

    def older_loss(self, found: Outputs) -> Tensor:
        """The mean loss of a step's older rows."""
        from torch.nn.functional import cross_entropy, kl_div

        now_RK = found.older_RK
        apart = kl_div(now_RK.log_softmax(dim=1), found.then_RK.softmax(dim=1), reduction="batchmean")
        return self.distillation * apart + (1 - self.distillation) * cross_entropy(now_RK, found.older_targets_RK)

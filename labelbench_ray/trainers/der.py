"""Dark experience replay (CAL-DER of Das et al. 2023, arXiv 2305.06408; Buzzega et al. 2020, 2004.07211)."""

from __future__ import annotations

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
        from torch.nn.functional import cross_entropy, mse_loss

        found = self.outputs(step)
        if found is None:
            return super().loss(step)
        of_older = self.labels * cross_entropy(found.older_RK, found.older_targets_RK)
        of_older = of_older + self.logits * mse_loss(found.older_RK, found.then_RK)
        return cross_entropy(found.newest_BK, found.newest_targets_BK) + of_older

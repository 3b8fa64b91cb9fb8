"""SoftMatch: every row counts, weighted by its confidence (Chen et al. 2023, arXiv 2301.10921, sections 3.2 and 3.3).

Pseudo-labels are the likeliest classes of the raw probabilities. Aligned probabilities weight the rows; as labels,
which is what LabelBench does, they would change the class where classes are rare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveFloat

from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import State, Step

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-6
LEAST_VARIANCE = 1e-8


class Softmatch(SemiSupervised):
    """Strong views learn the weak views' predicted class with weight exp(-min(0, c - m)^2 / (2 v / deviations^2)).

    c is a row's confidence after uniform alignment; m and v are running mean and variance of it.
    """

    teaches: ClassVar[str] = "every strong view, weighted by the confidence of the weak one after uniform alignment"
    remembers: ClassVar[str] = "running means"
    source: ClassVar[str] = "Chen et al. 2023, [2301.10921](https://arxiv.org/abs/2301.10921)"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of the past in the running mean, variance and distribution.

    The paper's 0.999 is for a million steps: in the hundreds that a fit has here, the means would not leave their first
    values, and every row would pass.
    """
    deviations: PositiveFloat = 2.0
    """The larger, the less rows below the mean confidence count."""

    def begin(self, data: FitData[Inputs]) -> State:
        import torch

        return {
            # All 0 until the first batch, which sets it.
            "mean_K": torch.zeros(data.num_classes),
            "confidence": torch.tensor(1 / data.num_classes),
            "variance": torch.tensor(1.0),
        }

    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        import torch
        from torch.nn.functional import cross_entropy

        state = step.state
        self.renew(state, pair.weak_VK.softmax(dim=1))
        probabilities_UK = pair.weak_UK.softmax(dim=1)
        predicted_U = probabilities_UK.argmax(dim=1)
        below_U = (aligned(probabilities_UK, state["mean_K"]).amax(dim=1) - state["confidence"]).clamp(max=0)
        weights_U = torch.exp(-(below_U**2) * self.deviations**2 / (2 * state["variance"]))
        losses_U = cross_entropy(pair.student_UK, predicted_U, reduction="none")
        return Term((weights_U * losses_U).mean(), predicted_U, weights_U)

    def renew(self, state: State, probabilities_VK: Tensor) -> None:
        """Update the running means with a batch."""
        mean_K = probabilities_VK.mean(dim=0)
        state["mean_K"].lerp_(mean_K, 1 - self.momentum if state["mean_K"].any() else 1.0)
        confidence_V = aligned(probabilities_VK, state["mean_K"]).amax(dim=1)
        # The unbiased variance of a single row is NaN.
        variance = confidence_V.var(correction=min(1, len(confidence_V) - 1)).clamp(min=LEAST_VARIANCE)
        state["confidence"].lerp_(confidence_V.mean(), 1 - self.momentum)
        state["variance"].lerp_(variance, 1 - self.momentum)


def aligned(probabilities_UK: Tensor, mean_K: Tensor) -> Tensor:
    """(U, K): probabilities * uniform / mean, rows scaled to sum to 1."""
    ratio_UK = probabilities_UK * (1 / len(mean_K) + TINY) / (mean_K + TINY)
    return ratio_UK / ratio_UK.sum(dim=1, keepdim=True)

"""FreeMatch: thresholds from the model's confidence so far (Wang et al. 2023, arXiv 2205.07246, sections 4.1 and 4.2).

The running means are float32: in float16, as in LabelBench, the share of a class that is never predicted falls so low
that its inverse overflows, and the class silently drops out of the fairness term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeFloat

from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import State, Step

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-12


class Freematch(SemiSupervised):
    """Strong views learn the weak views' predicted class c where its probability is at least t * p_c / max p.

    t is the running mean confidence, p the running mean distribution; both include the batch that they mask.
    """

    teaches: ClassVar[str] = (
        "as `fixmatch`, with a threshold that follows the mean confidence, and a term for balanced classes"
    )
    remembers: ClassVar[str] = "running means"
    source: ClassVar[str] = "Wang et al. 2023, [2205.07246](https://arxiv.org/abs/2205.07246)"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of the past in the running means.

    The paper's 0.999 is for a million steps: in the hundreds that a fit has here, the means would not leave their first
    values, and every row would pass.
    """
    fairness_weight: NonNegativeFloat = 0.001
    """Weight of the term that keeps the classes of the strong views in balance."""

    def begin(self, data: FitData[Inputs]) -> State:
        import torch

        classes = data.num_classes
        uniform_K = torch.full((classes,), 1 / classes)
        return {"threshold": torch.tensor(1 / classes), "mean_K": uniform_K, "predicted_K": uniform_K.clone()}

    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        from torch.nn.functional import cross_entropy

        self.renew(step.state, pair.weak_VK)
        mean_K = step.state["mean_K"]
        confidence_U, predicted_U = pair.weak_UK.softmax(dim=1).max(dim=1)
        thresholds_K = step.state["threshold"] * mean_K / mean_K.max()
        mask_U = confidence_U >= thresholds_K[predicted_U]
        losses_U = cross_entropy(pair.student_UK, predicted_U, reduction="none")
        fairness = fairness_loss(pair.student_UK[mask_U], mean_K, step.state["predicted_K"])
        return Term(
            (mask_U.float() * losses_U).mean(), predicted_U, mask_U.float(), extra=self.fairness_weight * fairness
        )

    def renew(self, state: State, weak_VK: Tensor) -> None:
        """Update the running means with a batch."""
        probabilities_VK = weak_VK.softmax(dim=1)
        confidence_V, predicted_V = probabilities_VK.max(dim=1)
        shares_K = predicted_V.bincount(minlength=weak_VK.shape[1]) / len(weak_VK)
        state["threshold"].lerp_(confidence_V.mean(), 1 - self.momentum)
        state["mean_K"].lerp_(probabilities_VK.mean(dim=0), 1 - self.momentum)
        state["predicted_K"].lerp_(shares_K, 1 - self.momentum)


def fairness_loss(strong_SK: Tensor, mean_K: Tensor, predicted_K: Tensor) -> Tensor:
    """Minus the cross-entropy of the selected strong views' balance against the running one; 0 when none is selected.

    The balance is a mean distribution divided by the shares of the predicted classes (a share of 0 gives 0), then by
    its sum; gradients pass through the mean distribution only.
    """
    if not len(strong_SK):
        return strong_SK.sum()
    probabilities_SK = strong_SK.softmax(dim=1)
    shares_K = probabilities_SK.argmax(dim=1).bincount(minlength=len(mean_K)) / len(strong_SK)
    balance_K = balanced(probabilities_SK.mean(dim=0), shares_K)
    return (balanced(mean_K, predicted_K) * (balance_K + TINY).log()).sum()


def balanced(mean_K: Tensor, shares_K: Tensor) -> Tensor:
    """(K,): mean / shares, 0 where a share is 0, divided by its sum."""
    import torch

    ratio_K = mean_K * torch.where(shares_K > 0, 1 / shares_K, 0)
    return ratio_K / ratio_K.sum()

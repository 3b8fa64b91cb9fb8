"""UDA: sharpened soft targets (Xie et al. 2020, arXiv 1904.12848, sections 2.2 and 2.3; defaults of USB).

The mask looks at the unsharpened confidence. Training signal annealing leaves out labeled rows whose true class has
a probability above a bound that rises over the fit. The loss stays a mean over all labeled rows, as in USB.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from labelbench_ray.trainers.engine.descent import smoothed
from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import Step

if TYPE_CHECKING:
    from torch import Tensor

STEEPNESS = 5


def risen(schedule: Literal["none", "linear", "log", "exp"], progress: float) -> float:
    """How far the bound has risen from 1 / K (0) to certainty (1) after that share of all steps."""
    match schedule:
        case "none":
            return 1.0
        case "linear":
            return progress
        case "log":
            return 1 - math.exp(-STEEPNESS * progress)
        case "exp":
            return math.exp(STEEPNESS * (progress - 1))


class Uda(SemiSupervised):
    """Strong views learn the weak views' sharpened distribution where the weak views are confident."""

    teaches: ClassVar[str] = (
        "strong views, the weak view's sharpened distribution (T = 0.4) where its class is likelier than 0.8; "
        "optional training signal annealing"
    )
    source: ClassVar[str] = "Xie et al. 2020, [1904.12848](https://arxiv.org/abs/1904.12848)"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    temperature: PositiveFloat = 0.4
    """Divides the weak views' logits; below 1 it sharpens the targets."""
    annealing: Literal["none", "linear", "log", "exp"] = "none"
    """Schedule of the training signal annealing, by its name in the paper."""

    def labeled_loss(self, logits_BK: Tensor, step: Step) -> Tensor:
        from torch.nn.functional import cross_entropy

        classes = step.data.num_classes
        labels_B = step.labels_B
        targets_BK = step.weighted(smoothed(labels_B, classes, self.label_smoothing))
        losses_B = cross_entropy(logits_BK, targets_BK, reduction="none")
        correct_B = logits_BK.detach().softmax(dim=1).gather(1, labels_B[:, None])[:, 0]
        bound = risen(self.annealing, step.progress) * (1 - 1 / classes) + 1 / classes
        return ((correct_B <= bound).float() * losses_B).mean()

    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        from torch.nn.functional import cross_entropy

        confidence_U, predicted_U = pair.weak_UK.softmax(dim=1).max(dim=1)
        mask_U = (confidence_U >= self.threshold).float()
        targets_UK = (pair.weak_UK / self.temperature).softmax(dim=1)
        losses_U = cross_entropy(pair.student_UK, targets_UK, reduction="none")
        return Term((mask_U * losses_U).mean(), predicted_U, mask_U)

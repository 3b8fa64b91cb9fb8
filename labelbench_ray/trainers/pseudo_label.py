"""Pseudo-label: a model learns its own confident predictions (Lee 2013, ICML workshop; USB's form).

LabelBench selects the rows inside a no-grad block, so its unlabeled loss has no gradient, and divides by the number of
selected rows, which may be 0. Both are fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from labelbench_ray.trainers.engine.semi_supervised import Logits, Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import Step

if TYPE_CHECKING:
    from torch import Tensor


class PseudoLabel(SemiSupervised):
    """Weak views learn their own predicted class where its probability is at least `threshold`; no strong view."""

    teaches: ClassVar[str] = (
        "weak views, their own predicted class where it is likelier than 0.95; the weight grows over 40 % of the "
        "epochs that run in any case (11 of 20)"
    )
    source: ClassVar[str] = "Lee 2013"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Share of the steps over which the unlabeled loss grows linearly from nothing to its full weight.

    It counts the steps of epochs that run in any case: all of them, or, where training may stop early, the first and
    `patience` more. A ramp over epochs that never run would leave the unlabeled rows out.
    """

    def logits(self, labeled: Tensor, step: Step) -> Logits:
        import torch

        weak = step.data.inputs.weak(step.unlabeled_U, step.epoch)
        both = step.module(torch.cat([labeled, weak])).float()
        return Logits(both[: len(labeled)], both[len(labeled) :].detach(), both[len(labeled) :])

    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        from torch.nn.functional import cross_entropy

        confidence_U, predicted_U = pair.weak_UK.softmax(dim=1).max(dim=1)
        mask_U = (confidence_U >= self.threshold).float()
        losses_U = cross_entropy(pair.student_UK, predicted_U, reduction="none")
        epochs_done, ramp_epochs = pair.progress * self.epochs, self.ramp * self.certain_epochs
        grown = min(1.0, epochs_done / ramp_epochs) if self.ramp else 1.0
        return Term(grown * (mask_U * losses_U).mean(), predicted_U, mask_U)

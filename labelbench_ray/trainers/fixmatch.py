"""FixMatch: hard pseudo-labels above one threshold (Sohn et al. 2020, arXiv 2001.07685, section 2.2)."""

from typing import Annotated, ClassVar

from pydantic import Field

from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import Step


class Fixmatch(SemiSupervised):
    """Strong views learn the weak views' predicted class where its probability is at least `threshold`."""

    teaches: ClassVar[str] = "strong views, the weak view's class where it is likelier than 0.95"
    source: ClassVar[str] = "Sohn et al. 2020, [2001.07685](https://arxiv.org/abs/2001.07685)"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95

    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        from torch.nn.functional import cross_entropy

        confidence_U, predicted_U = pair.weak_UK.softmax(dim=1).max(dim=1)
        mask_U = (confidence_U >= self.threshold).float()
        losses_U = cross_entropy(pair.student_UK, predicted_U, reduction="none")
        return Term((mask_U * losses_U).mean(), predicted_U, mask_U)

"""FlexMatch: a threshold for each class (Zhang et al. 2021, arXiv 2110.08263, section 3, algorithm 1).

A class with few pseudo-labels so far has a low threshold, so it is not left behind. A batch updates the counts by what
it changes: O(batch) a step, where LabelBench compares every unlabeled row with every class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import State, Step

if TYPE_CHECKING:
    from torch import Tensor

NEVER = -1
"""Stands for a row without a confident prediction."""


class Flexmatch(SemiSupervised):
    """Strong views learn the weak views' predicted class c where its probability is at least threshold * b / (2 - b).

    b = rows whose last confident prediction is c / the most of any class, or of the rows that had none if these are
    more. Thresholds so start at 0 and rise to `threshold` for the class learned best.
    """

    teaches: ClassVar[str] = "as `fixmatch`, with a threshold for each class, lower where a class is learned less"
    remembers: ClassVar[str] = "last confident prediction of each row, counts"
    source: ClassVar[str] = "Zhang et al. 2021, [2110.08263](https://arxiv.org/abs/2110.08263)"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.95

    def begin(self, data: FitData[Inputs]) -> State:
        import torch

        classes, rows = data.num_classes, len(data.unlabeled_ids_U)
        narrow = torch.int16 if classes <= torch.iinfo(torch.int16).max else torch.int32
        counts = torch.zeros(classes + 1, dtype=torch.int64)
        counts[NEVER] = rows
        return {"latest_N": torch.full((rows,), NEVER, dtype=narrow), "counts": counts}

    def unlabeled_loss(self, pair: Pair, step: Step) -> Term:
        from torch.nn.functional import cross_entropy

        confidence_U, predicted_U = pair.weak_UK.softmax(dim=1).max(dim=1)
        thresholds_K = class_thresholds(step.state["counts"], self.threshold)
        mask_U = (confidence_U >= thresholds_K[predicted_U]).float()
        confidence_V, predicted_V = confidence_U, predicted_U
        if pair.weak_VK is not pair.weak_UK:  # several processes
            confidence_V, predicted_V = pair.weak_VK.softmax(dim=1).max(dim=1)
        sure_V = confidence_V >= self.threshold
        record(step.state, pair.places_V[sure_V], predicted_V[sure_V])
        losses_U = cross_entropy(pair.student_UK, predicted_U, reduction="none")
        return Term((mask_U * losses_U).mean(), predicted_U, mask_U)


def class_thresholds(counts: Tensor, threshold: float) -> Tensor:
    """(K,) float32 from the counts (K + 1,) of each class and, last, of the rows never predicted confidently."""
    share_K = counts[:-1].float() / counts.max()
    return threshold * share_K / (2 - share_K)


def record(state: State, places_S: Tensor, predicted_S: Tensor) -> None:
    """Store the confident predictions of a batch; for a row that occurs twice, the last one."""
    import torch

    places, inverse_S = places_S.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    order_S = torch.arange(len(places_S), device=places_S.device)
    last = torch.zeros_like(places).scatter_reduce_(0, inverse_S, order_S, "amax")
    latest_N, counts = state["latest_N"], state["counts"]
    old, new = latest_N[places].long(), predicted_S[last]
    # NEVER counts in the last entry.
    size = len(counts)
    counts += new.bincount(minlength=size) - (old % size).bincount(minlength=size)
    latest_N[places] = new.to(latest_N.dtype)

"""Maximally interfered retrieval (CAL-MIR of Das et al. 2023, arXiv 2305.06408; Aljundi et al. 2019, 1908.04742)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from labelbench_ray.trainers.engine.replay import Replay, drawn, unwrapped
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.types import Ids

if TYPE_CHECKING:
    from torch import Tensor


class Mir(Replay):
    """As `experience_replay`, but the older rows are those whose loss a step on the newest rows would raise most.

    A step draws candidates among the older rows, takes a virtual step of plain gradient descent on its newest rows, and
    compares the candidates' cross-entropies before and after it; the weights and the optimizer stay as they are.
    The loss is one mean over newest and chosen rows. Mixup applies to the newest rows only.
    A step of m newest rows with C candidates and R chosen ones costs 3 m + 2 C + 3 (m + R) row passes, instead of
    3 (m + R).
    """

    teaches: ClassVar[str] = "nothing; as `experience_replay`, with the older rows that the newest ones harm most"
    source: ClassVar[str] = "Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"
    older_per_newest: PositiveFloat = 2.0
    candidates_per_older: Annotated[float, Field(ge=1)] = 2.5
    """Older rows that a step scores for each one that it replays."""
    choose: Literal["top", "softmax"] = "top"
    """The rows with the largest rise of the loss (the paper), or a draw without replacement in proportion to the
    softmax of the rises (its code)."""
    virtual_rate: PositiveFloat = 0.02
    """The learning rate of the virtual step."""

    def loss(self, step: Step) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        found = self.outputs(step)
        if found is None:
            return super().loss(step)
        targets = torch.cat([found.newest_targets_BK, found.older_targets_RK])
        return cross_entropy(torch.cat([found.newest_BK, found.older_RK]), targets)

    def replayed(self, step: Step) -> Ids:
        """(R,) places among the older rows."""
        count = self.num_replayed(step)
        candidates_C = drawn(step, round(self.candidates_per_older * count))
        if len(candidates_C) <= count:
            return candidates_C
        rises_C = interference(step, candidates_C, self.virtual_rate)
        if self.choose == "top":
            return candidates_C[np.argsort(-rises_C, kind="stable")[:count]]
        weights_C = np.exp(rises_C - rises_C.max())
        weights_C = weights_C / weights_C.sum() + 1e-8
        drawing = np.random.default_rng([int(step.rng.integers(2**63)), step.device.rank])
        return drawing.choice(candidates_C, size=count, replace=False, p=weights_C / weights_C.sum())


def interference(step: Step, candidates_C: Ids, rate: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(C,) by how much a gradient step on a step's newest rows raises the cross-entropy of each candidate.

    The module is as in training (dropout included), but nothing of it changes: the virtual weights are other tensors,
    and buffers such as batch statistics are copies.
    """
    import torch
    from torch.func import functional_call
    from torch.nn.functional import cross_entropy

    module = unwrapped(step.module)
    buffers = {name: kept.clone() for name, kept in module.named_buffers()}
    weights = {name: kept for name, kept in module.named_parameters() if kept.requires_grad}
    fixed = {name: kept for name, kept in module.named_parameters() if not kept.requires_grad} | buffers
    newest = step.data.inputs.labeled(step.labeled_B, step.epoch)
    loss = cross_entropy(functional_call(module, weights | fixed, (newest,)).float(), step.labels_B)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    inputs = step.data.inputs.labeled(candidates_C, step.epoch)
    labels_C = replace(step, labeled_B=candidates_C).labels_B
    with torch.no_grad():
        moved = {name: kept - rate * slope for (name, kept), slope in zip(weights.items(), gradients, strict=True)}
        before_C, after_C = (
            _losses(functional_call(module, state | fixed, (inputs,)), labels_C) for state in (weights, moved)
        )
    rises_C: np.ndarray[tuple[int], np.dtype[np.float64]] = (after_C - before_C).cpu().numpy()
    return rises_C


def _losses(logits_CK: Tensor, labels_C: Tensor) -> Tensor:
    """(C,) float64 cross-entropies."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits_CK.double(), labels_C, reduction="none")

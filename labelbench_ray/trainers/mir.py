"""Maximally interfered retrieval (CAL-MIR of Das et al. 2023, arXiv 2305.06408; Aljundi et al. 2019, 1908.04742)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, PositiveFloat

from labelbench_ray.trainers.engine.replay import Replay, drawn, unwrapped
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.types import Ids

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    Weights = Sequence[Tensor]
    VirtualStep = Callable[[Weights, Weights], Weights]


class Mir(Replay):
    """As `experience_replay`, but the older rows are those whose loss a step on the newest rows would raise most.

    A step draws candidates among the older rows, takes a virtual step on its newest rows, and compares the candidates'
    cross-entropies before and after it; the weights and the optimizer stay as they are.
    The loss is one mean over newest and chosen rows. Mixup applies to the newest rows only.
    A step of m newest rows with C candidates and R chosen ones costs 3 m + 2 C + 3 (m + R) row passes, instead of
    3 (m + R).
    """

    teaches: ClassVar[str] = "nothing; as `experience_replay`, with the older rows that the newest ones harm most"
    source: ClassVar[str] = "Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {**Replay.neutral_settings, "virtual": "gradient"}
    older_per_newest: PositiveFloat = 2.0
    candidates_per_older: Annotated[float, Field(ge=1)] = 2.5
    """Older rows that a step scores for each one that it replays."""
    choose: Literal["top", "softmax"] = "top"
    """The rows with the largest rise of the loss (the paper), or a draw without replacement in proportion to the
    softmax of the rises (its code)."""
    virtual: Literal["gradient", "optimizer"] = "gradient"
    """The virtual step: plain gradient descent, or the fit's own optimizer (the paper's code), which moves each weight
    as the real step on the newest rows alone would, at the learning rate of then; it is copied for every step."""
    virtual_rate: PositiveFloat = 0.02
    """The learning rate of plain gradient descent."""

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
        rises_C = interference(step, candidates_C, self.virtual_step(step))
        if self.choose == "top":
            return candidates_C[np.argsort(-rises_C, kind="stable")[:count]]
        rng = np.random.default_rng([int(step.rng.integers(2**63)), step.device.rank])
        return candidates_C[by_softmax(rises_C, count, rng)]

    def virtual_step(self, step: Step) -> VirtualStep:
        """Moved weights, from weights and their gradients."""
        if self.virtual == "gradient":
            return partial(by_gradient, rate=self.virtual_rate)
        assert step.optimizer is not None
        return partial(by_optimizer, optimizer=step.optimizer, clip=self.gradient_clip)


def by_softmax(rises_C: NDArray[np.float64], count: int, rng: np.random.Generator) -> Ids:
    """(count,) different places, drawn in proportion to the softmax of the rises; the floor is the code's."""
    weights_C = np.exp(rises_C - rises_C.max())
    weights_C = weights_C / weights_C.sum() + 1e-8
    return rng.choice(len(rises_C), size=count, replace=False, p=weights_C / weights_C.sum())


def by_gradient(weights: Weights, gradients: Weights, rate: float) -> list[Tensor]:
    """A step of plain gradient descent."""
    return [weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)]


def by_optimizer(weights: Weights, gradients: Weights, optimizer: Optimizer, clip: float | None) -> list[Tensor]:
    """The step that a copy of an optimizer of these weights takes. Nothing of the optimizer changes."""
    from torch import nn

    twin = copy.deepcopy(optimizer)  # with copies of the weights
    moved = [weight for group in twin.param_groups for weight in group["params"]]
    assert len(moved) == len(weights)
    for weight, gradient in zip(moved, gradients, strict=True):
        weight.grad = gradient.to(weight.dtype)
    if clip is not None:
        nn.utils.clip_grad_norm_(moved, clip)
    twin.step()
    return [weight.detach() for weight in moved]


def interference(step: Step, candidates_C: Ids, virtual_step: VirtualStep) -> NDArray[np.float64]:
    """(C,) by how much a virtual step on a step's newest rows raises the cross-entropy of each candidate.

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
        moved = dict(zip(weights, virtual_step(list(weights.values()), gradients), strict=True))
        before_C, after_C = (
            _losses(functional_call(module, state | fixed, (inputs,)), labels_C) for state in (weights, moved)
        )
    rises_C: NDArray[np.float64] = (after_C - before_C).cpu().numpy()
    return rises_C


def _losses(logits_CK: Tensor, labels_C: Tensor) -> Tensor:
    """(C,) float64 cross-entropies."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits_CK.double(), labels_C, reduction="none")

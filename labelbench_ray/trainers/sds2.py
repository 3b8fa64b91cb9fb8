"""Scaled distillation with submodular sampling (CAL-SDS2 of Das et al. 2023, arXiv 2305.06408)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat

from labelbench_ray.trainers.engine.replay import drawn, unwrapped
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.scaled_distillation import ScaledDistillation
from labelbench_ray.types import Ids

if TYPE_CHECKING:
    from torch import Tensor, nn


class Sds2(ScaledDistillation):
    """As `scaled_distillation`, with older rows that are representative and uncertain instead of drawn uniformly.

    A step draws candidates among the older rows and takes greedily those that maximize
    sum over candidates i of max over taken j of exp(-||f_i - f_j||^2 / w) + `uncertainty` * log(1 + sum of u_j),
    where f are the model's features now, w is `width` times the mean squared distance of two candidates, and u is 1 -
    the largest probability. Both terms are monotone submodular, so greedy reaches 1 - 1/e of the best.
    """

    teaches: ClassVar[str] = "nothing; as `scaled_distillation`, with older rows that are representative and uncertain"
    source: ClassVar[str] = "Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"
    older_per_newest: PositiveFloat = 2.0
    candidates_per_older: Annotated[float, Field(ge=1)] = 2.5
    """Older rows that a step scores for each one that it replays; at most `MOST_CANDIDATES` in all."""
    features: Literal["penultimate", "logits"] = "penultimate"
    """Inputs of the last linear layer, or the logits (the paper's code)."""
    width: PositiveFloat = 0.5
    uncertainty: NonNegativeFloat = 1.0

    def replayed(self, step: Step) -> Ids:
        """(R,) places among the older rows."""
        count = self.num_replayed(step)
        most = max(count, MOST_CANDIDATES)
        candidates_C = drawn(step, min(round(self.candidates_per_older * count), most))
        if len(candidates_C) <= count:
            return candidates_C
        features_CF, logits_CK = seen(step, candidates_C)
        similarity_CC = similarity(features_CF if self.features == "penultimate" else logits_CK, self.width)
        probabilities_CK = np.exp(logits_CK - logits_CK.max(axis=1, keepdims=True))
        doubts_C = 1 - 1 / probabilities_CK.sum(axis=1)
        return candidates_C[greedy(similarity_CC, doubts_C, self.uncertainty, count)]


MOST_CANDIDATES = 512
"""The pairwise similarities of more would take longer than the step."""


def seen(step: Step, candidates_C: Ids) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """((C, F) inputs of the last linear layer, (C, K) logits) of candidates by the model now, as in training."""
    import torch

    module = unwrapped(step.module)
    inside: list[Tensor] = []
    handle = _last_linear(module).register_forward_pre_hook(lambda _, arguments: inside.append(arguments[0]))
    try:
        with torch.no_grad():
            buffers = {name: kept.clone() for name, kept in module.named_buffers()}
            logits_CK = torch.func.functional_call(
                module, buffers, (step.data.inputs.labeled(candidates_C, step.epoch),)
            )
    finally:
        handle.remove()
    features_CF = inside[-1].flatten(1)
    return features_CF.double().cpu().numpy(), logits_CK.double().cpu().numpy()


def _last_linear(module: nn.Module) -> nn.Module:
    from torch import nn

    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]


def similarity(features_CF: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """(C, C) exp(-squared distance / (width * mean squared distance of two different candidates))."""
    squares_C = (features_CF**2).sum(axis=1)
    distances_CC = np.maximum(squares_C[:, None] + squares_C - 2 * features_CF @ features_CF.T, 0)
    np.fill_diagonal(distances_CC, 0)
    count = len(features_CF)
    mean = distances_CC.sum() / (count * (count - 1))
    return np.exp(-distances_CC / (width * mean)) if mean else np.ones_like(distances_CC)


def greedy(similarity_CC: NDArray[np.float64], doubts_C: NDArray[np.float64], uncertainty: float, count: int) -> Ids:
    """(count,) places of candidates, each the one that raises the objective most; ties by place."""
    covered_C = np.zeros(len(doubts_C))
    doubt, taken = 0.0, list[int]()
    for _ in range(count):
        gains_C = np.maximum(similarity_CC, covered_C[:, None]).sum(axis=0) - covered_C.sum()
        gains_C = gains_C + uncertainty * (np.log1p(doubt + doubts_C) - np.log1p(doubt))
        gains_C[taken] = -np.inf
        place = int(gains_C.argmax())
        covered_C = np.maximum(covered_C, similarity_CC[:, place])
        doubt += float(doubts_C[place])
        taken.append(place)
    return np.array(taken, np.int64)

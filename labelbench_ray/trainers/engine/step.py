"""A step of gradient descent as a trainer's loss sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.types import Ids

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

State = dict[str, "Tensor"]
"""What a method keeps from step to step, float32 or integers. Updated in place; part of the checkpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One share of one batch: places among the labeled and the unlabeled rows, and where the fit stands."""

    module: nn.Module
    data: FitData[Inputs]
    device: Device
    state: State
    labeled_B: Ids
    unlabeled_U: Ids
    epoch: int
    progress: float
    """Steps done / steps in all, 0 .. 1."""
    rng: np.random.Generator
    balance: float = 1.0
    """Factor for a mean over the unlabeled rows: their share of the batch / the labeled rows' share."""
    optimizer: Optimizer | None = None
    """Of the fit, to look at; None: the step is not part of a fit."""

    @property
    def labels_B(self) -> Tensor:
        """(B, ...) labels of the labeled rows."""
        import torch

        return self.data.labels_L[torch.from_numpy(self.labeled_B)].to(self.device.kind)

    def weighted(self, targets_BK: Tensor) -> Tensor:
        """Targets times the weight of each row's label.

        A cross-entropy is linear in its targets, so it counts each row as much, also where rows are mixed afterwards.
        """
        import torch

        if self.data.weights_L is None:
            return targets_BK
        weights_B = torch.from_numpy(self.data.weights_L[self.labeled_B])
        return targets_BK * weights_B.to(targets_BK)[:, None]

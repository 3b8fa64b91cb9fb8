"""A trained light proxy that scores on a GPU: products and softmax there, whatever the strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import passes
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.types import Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class DeviceClassifier:
    """A `types.Model` whose weights lie on a torch device. Its logits agree with the classifier's within rounding."""

    layers: tuple[tuple[Floats, Floats], ...]
    """(weight (in, out), bias (out,)) of each affine layer, for raw embeddings."""
    features_of: Callable[[NDArray[Any]], Floats]
    standardization: Standardization
    distribution: Distribution
    device: str

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.layers[-1][1])

    def probabilities(self, raw_BD: NDArray[Any]) -> Any:  # noqa: ANN401  models give arrays elsewhere
        """(B, K) float32: a tensor on the device; an array where the classes are independent."""
        logits_BK = self._logits(raw_BD)
        if self.distribution == CATEGORICAL:
            return passes.softmax(logits_BK)
        return self.distribution.of_logits(passes.array(logits_BK))

    def features(self, raw_BD: NDArray[Any]) -> Any:  # noqa: ANN401  as above
        """(B, H) float32 tensor on the device; an array where the classes are independent."""
        if self.distribution != CATEGORICAL:
            return self.features_of(raw_BD)
        if len(self.layers) > 1:
            return self._hidden(raw_BD)
        mean_D, scale_D = self._standardization
        return (self._moved(raw_BD) - mean_D) / scale_D

    def _logits(self, raw_BD: NDArray[Any]) -> torch.Tensor:
        import torch

        weight, bias = self._tensors[-1]
        return torch.addmm(bias, self._hidden(raw_BD), weight)

    def _hidden(self, raw_BD: NDArray[Any]) -> torch.Tensor:
        import torch

        hidden = self._moved(raw_BD)
        for weight, bias in self._tensors[:-1]:
            hidden = torch.addmm(bias, hidden, weight).relu()
        return hidden

    def _moved(self, raw_BD: NDArray[Any]) -> torch.Tensor:
        import torch

        # A copy, since torch takes no read-only memory map; float16 is widened on the device, after half the transfer.
        return torch.from_numpy(np.array(raw_BD)).to(self.device).float()

    @cached_property
    def _standardization(self) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        mean_D, scale_D = self.standardization.mean_D, self.standardization.scale_D
        return torch.tensor(mean_D, device=self.device), torch.tensor(scale_D, device=self.device)

    @cached_property
    def _tensors(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        import torch

        return [
            (torch.tensor(weight, device=self.device), torch.tensor(bias, device=self.device))
            for weight, bias in self.layers
        ]

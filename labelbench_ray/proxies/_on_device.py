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
from labelbench_ray.types import Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class DeviceClassifier:
    """A `types.Model` whose weights lie on a torch device. Its logits agree with the classifier's within rounding."""

    layers: tuple[tuple[Floats, Floats], ...]
    """(weight (in, out), bias (out,)) of each affine layer, for raw embeddings."""
    features_of: Callable[[NDArray[Any]], Floats]
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

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, H) float32 array, as the classifier gives it."""
        return self.features_of(raw_BD)

    def _logits(self, raw_BD: NDArray[Any]) -> torch.Tensor:
        import torch

        # A copy, since torch takes no read-only memory map; float16 is widened on the device, after half the transfer.
        hidden = torch.from_numpy(np.array(raw_BD)).to(self.device).float()
        *inner, (weight, bias) = self._tensors
        for inner_weight, inner_bias in inner:
            hidden = torch.addmm(inner_bias, hidden, inner_weight).relu()
        return torch.addmm(bias, hidden, weight)

    @cached_property
    def _tensors(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        import torch

        return [
            (torch.tensor(weight, device=self.device), torch.tensor(bias, device=self.device))
            for weight, bias in self.layers
        ]

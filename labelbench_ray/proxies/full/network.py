"""The torch module of a full model, and what of it goes to disk and to the strategies."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from labelbench_ray.encoders import Device, Network, Trainable
from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.errors import DataError
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.heads import HeadLayer


class FullNetwork(nn.Module):
    """Pixels (B, H, W, 3), uint8 or float in 0 .. 255, to logits (B, K): a backbone and an affine head."""

    def __init__(self, backbone: nn.Module, layer: HeadLayer, *, frozen_statistics: bool) -> None:
        super().__init__()
        self.backbone = backbone
        dimensions, classes = layer.weight_DK.shape
        self.head: nn.Linear = nn.utils.skip_init(nn.Linear, dimensions, classes)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor(layer.weight_DK.T))
            self.head.bias.copy_(torch.tensor(layer.bias_K))
        self.normalize = layer.normalize
        self.frozen_statistics = frozen_statistics

    def features(self, pixels_BHWC: Tensor) -> Tensor:
        """(B, D): what the head sees."""
        features_BD: Tensor = self.backbone(pixels_BHWC)
        return normalize(features_BD, dim=-1) if self.normalize else features_BD

    def forward(self, pixels_BHWC: Tensor) -> Tensor:
        logits_BK: Tensor = self.head(self.features(pixels_BHWC))
        return logits_BK

    def train(self, mode: bool = True) -> "FullNetwork":
        super().train(mode)
        for module in self.modules() if self.frozen_statistics else ():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self


class UnitLength(nn.Module):
    """Features scaled to length 1."""

    def forward(self, features_BD: Tensor) -> Tensor:
        return normalize(features_BD, dim=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """A trained full model, cut where strategies cut a proxy: embeddings, and the last layer on them."""

    runtime: Network
    classifier: Classifier
    """Of the runtime's embeddings as they are."""


def tuned(network: FullNetwork, encoder: Trainable, device: Device) -> Tuned:
    """The two halves of a finished network; it stays as it is."""
    assert isinstance(network.backbone, FromPixels), "finished networks have a plain backbone"
    backbone = copy.deepcopy(network.backbone).cpu().eval()  # a runtime may convert what it is given
    if network.normalize:
        backbone.backbone = nn.Sequential(backbone.backbone, UnitLength())
    layers = Classifier.of_module(nn.Sequential(network.head), _identity(network.head.in_features))
    return Tuned(encoder.runtime(backbone, device), layers)


def tensors(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Everything by name, on the CPU, for a safetensors file."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def load_tensors(network: nn.Module, named: Mapping[str, NDArray[Any]]) -> None:
    """Put `tensors` back into a network of the same shape.

    Raises:
        DataError: they are of another network.
    """
    try:
        network.load_state_dict({name: torch.tensor(array) for name, array in named.items()})
    except RuntimeError as error:
        raise DataError(f"not the tensors of this model ({error}); give those that belong to it") from error


def _identity(dimensions: int) -> Standardization:
    return Standardization(np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32))

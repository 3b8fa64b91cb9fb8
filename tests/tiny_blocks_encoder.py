"""As `tests.tiny_encoder`, with two blocks that low-rank adapters find."""

import torch
from torch import nn

from labelbench_ray.encoders.networks.from_pixels import FromPixels
from tests.tiny_encoder import CHANNELS, Tiny


class TinyBlocks(Tiny):
    """Random weights from a fixed seed."""

    def network(self) -> FromPixels:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            blocks = [nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1), nn.ReLU()) for _ in range(2)]
            layers = nn.Sequential(
                nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Sequential(*blocks),
                nn.AdaptiveAvgPool2d(2),
                nn.Flatten(),
            )
        return FromPixels(layers, [127.0] * 3, [128.0] * 3).eval()

"""EfficientNet-Lite0 with random weights, to measure by comparison what pretraining contributes."""

from typing import TYPE_CHECKING

from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0

if TYPE_CHECKING:
    from labelbench_ray.encoders.networks.from_pixels import FromPixels

SEED = 0


class EfficientnetLite0Random(EfficientnetLite0):
    """The same architecture and images as `efficientnet_lite0`, with random weights from a fixed seed."""

    def weights(self) -> str:
        return f"random, seed {SEED}"

    def network(self) -> "FromPixels":
        from labelbench_ray.encoders.networks.efficientnet import random

        return random(self.size, SEED)

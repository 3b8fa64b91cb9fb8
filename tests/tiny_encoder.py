"""A user's own encoder, named by its module path: 8 x 8 images through one small convolution, trained in a moment."""

from typing import ClassVar

import numpy as np
import torch
from torch import nn

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.encoders import Decoded, Device, Network, Trainable
from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.encoders.networks.image_network import TorchNetwork

SIZE, CHANNELS = 8, 12


class Tiny(Trainable):
    """Random weights from a fixed seed."""

    payload: ClassVar[Modality] = Modality.IMAGE

    def weights(self) -> str:
        return "seed 0"

    def dimensions(self) -> int:
        return CHANNELS * 4

    def preprocessing(self) -> str:
        return "RGB, 8 x 8"

    def shape(self) -> tuple[int, int, int]:
        return SIZE, SIZE, 3

    def decode(self, payload: Payload) -> Decoded:
        return np.asarray(open_rgb(payload).resize((SIZE, SIZE)))

    def network(self) -> FromPixels:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers = nn.Sequential(
                nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
            )
        return FromPixels(layers, [127.0] * 3, [128.0] * 3).eval()

    def runtime(self, network: FromPixels, device: Device) -> Network:
        return TorchNetwork(network, device)

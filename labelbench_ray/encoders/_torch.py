"""Image networks in torch: pixels are normalized inside the network, so that every path gets the same uint8 images.

This module imports torch at its top; encoders import it in `load`, where torch is needed anyway. Planning and the CPU
tasks that decode do without, which saves them seconds and 300 MB each.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders._batches import embed_images
from labelbench_ray.encoders._from_pixels import FromPixels

BATCHES: dict[Device, int] = {"cpu": 16, "cuda": 256}
"""Measured on one core: batches of 16 images of 96 px run twice as fast as batches of 64: they stay in the cache."""


class TorchNetwork:
    """A network on one device: float16 and channels last on a GPU, float32 on one thread of a CPU."""

    def __init__(self, network: FromPixels, device: Device) -> None:
        self._device = device
        self._dtype = torch.float16 if device == "cuda" else torch.float32
        layout = torch.channels_last if device == "cuda" else torch.contiguous_format
        # Two calls, since torch's types know no single one with a layout.
        self._network = network.eval().to(device, self._dtype).to(memory_format=layout)

    @property
    def compute(self) -> str:
        return f"torch {str(self._dtype).removeprefix('torch.')} {self._device}"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        with one_thread(), torch.inference_mode():
            return embed_images(decoded, BATCHES[self._device], self._forward)

    def _forward(self, pixels_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        features_BD = self._network(torch.from_numpy(pixels_BHWC).to(self._device))
        features: NDArray[np.float32] = features_BD.float().cpu().numpy()
        return features


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread within the context; the previous number is restored afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""A user's own encoder whose network ends its process for some images."""

import os
import signal
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded, Device
from labelbench_ray.encoders.pixels import PixelNetwork, Pixels


class DeadlyNetwork(Pixels):
    """As `pixels`, but its network ends the process for an image that is black; or while it is loaded."""

    loads: bool = True

    def load(self, device: Device) -> "Fragile":
        if not self.loads:
            os.kill(os.getpid(), signal.SIGSEGV)
        return Fragile()


class Fragile(PixelNetwork):
    """Ends the process for an image that is black."""

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        if not all(np.asarray(image).any() for image in decoded):
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().embed(decoded)

"""An encoder whose embedding of one row is NaN."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.encoders import Decoded, Device, Network
from labelbench_ray.encoders.pixels import PixelNetwork, Pixels


class NotFinite(Pixels):
    """Pixels, but the first row of each shard becomes NaN."""

    def load(self, device: Device) -> Network:
        return BrokenNetwork()


class BrokenNetwork(PixelNetwork):
    """Breaks its first row."""

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        embeddings_BD = super().embed(decoded)
        embeddings_BD[0, 0] = np.nan
        return embeddings_BD

"""A user's own image encoder that states the rows of its forward pass; each embedding depends on all rows of its pass.

So an embedding shows with which rows it was in the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.encoders import Decoded, Device, Network, Trainable
from labelbench_ray.encoders._batches import embed_images
from labelbench_ray.encoders.networks.torch_settings import TorchSettings

if TYPE_CHECKING:
    from labelbench_ray.encoders.networks.from_pixels import FromPixels

SIZE = 8


class Sliced(TorchSettings, Trainable):
    """The channels' means, and the mean of the forward pass."""

    payload: ClassVar[Modality] = Modality.IMAGE

    def weights(self) -> str:
        return "none"

    def dimensions(self) -> int:
        return 4

    def preprocessing(self) -> str:
        return "RGB, 8 x 8"

    def shape(self) -> tuple[int, int, int]:
        return SIZE, SIZE, 3

    def decode(self, payload: Payload) -> Decoded:
        return np.asarray(open_rgb(payload).resize((SIZE, SIZE)))

    def network(self) -> "FromPixels":
        raise NotImplementedError

    def runtime(self, network: "FromPixels", device: Device) -> Network:
        raise NotImplementedError

    def load(self, device: Device) -> "MeanNetwork":
        return MeanNetwork(self.forward_rows(device))


@dataclass(frozen=True, slots=True)
class MeanNetwork:
    """Notes nothing and holds nothing."""

    batch: int
    compute: str = "numpy float32 cpu"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return embed_images(decoded, self.batch, _means)


def _means(images_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    means_BC = images_BHWC.mean((1, 2)) / 255
    return np.hstack([means_BC, np.full((len(means_BC), 1), means_BC.mean())]).astype(np.float32)

"""The gray pixels, without a network: for digits and other images whose pixels are informative."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.images.opened import open_gray
from labelbench_ray.encoders import Decoded, Device, Encoder
from labelbench_ray.encoders._batches import image_batches
from labelbench_ray.encoders._jpeg_decoding import JpegDecoding


class Pixels(JpegDecoding, Encoder):
    """Gray values in [0, 1] of the image resized to `size` x `size`: D = size**2."""

    version: ClassVar[int] = (
        3  # 2 ignored orientation tags; 1 clipped 16 bits and showed colors under transparent pixels
    )
    payload: ClassVar[Modality] = Modality.IMAGE
    size: PositiveInt = 8

    def weights(self) -> str:
        return "none"

    def dimensions(self) -> int:
        return self.size**2

    def preprocessing(self) -> str:
        return f"{self.describe_decoding()}gray, bilinear to {self.size} x {self.size}, divided by 255"

    def decode(self, payload: Payload) -> Decoded:
        image = open_gray(payload, self.least_side(self.size))
        return np.asarray(image.resize((self.size, self.size)) if image.size != (self.size, self.size) else image)

    def load(self, device: Device) -> "PixelNetwork":
        return PixelNetwork()


@dataclass(frozen=True, slots=True)
class PixelNetwork:
    """Flattens and scales."""

    compute: str = "numpy float32 cpu"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        (images_BHW,) = image_batches(decoded, len(decoded))
        return images_BHW.reshape(len(images_BHW), -1).astype(np.float32) / np.float32(255)

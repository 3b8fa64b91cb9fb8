"""stub"""

from typing import ClassVar, Literal

from labelbench_ray.augmentations import Augmentation
from labelbench_ray.encoders import Decoded


class Images(Augmentation):
    payload: ClassVar[Literal["image", "text"]] = "image"

    def weak(self, decoded: Decoded, key: int) -> Decoded:
        return decoded

    def strong(self, decoded: Decoded, key: int) -> Decoded:
        return decoded

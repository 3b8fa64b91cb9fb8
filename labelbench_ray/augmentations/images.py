"""Weak: a small crop and a flip. Strong: RandAugment and Cutout on top, as FixMatch and LabelBench have them."""

import math
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, NonNegativeInt

from labelbench_ray.augmentations import Augmentation, stream
from labelbench_ray.augmentations._operations import OPERATIONS
from labelbench_ray.datasets import Modality
from labelbench_ray.encoders import Decoded

WIDEST = 10 / 9
"""Largest ratio of a crop's sides, relative to the image's."""
GRAY = 127
"""What Cutout covers with: the middle of the range, as in FixMatch."""


class Images(Augmentation):
    """Crop and flip; strong: RandAugment (Cubuk et al. 2020) and Cutout (DeVries and Taylor 2017) besides."""

    payload: ClassVar[Modality] = Modality.IMAGE
    crop: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Smallest share of the area that a crop keeps."""
    flip: bool = True
    """Mirror every second image, left to right; off makes sense for digits and text."""
    operations: NonNegativeInt = 3
    """Of RandAugment, drawn with replacement from fourteen, each with a strength of its own."""
    cutout: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Largest side of the covered square, as a share of the image's shorter side."""

    def weak(self, decoded: Decoded, key: int) -> Decoded:
        return np.asarray(self._cropped(_image(decoded), stream(key, "weak")))

    def strong(self, decoded: Decoded, key: int) -> Decoded:
        rng = stream(key, "strong")
        image = self._cropped(_image(decoded), rng)
        for _ in range(self.operations):
            image = _OPERATIONS[rng.integers(len(_OPERATIONS))](image, rng.uniform(-1, 1))
        return _covered(np.array(image), self.cutout, rng)

    def _cropped(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """A crop at the image's own size; Pillow's bilinear filter widens when it shrinks, so nothing aliases."""
        area = rng.uniform(self.crop, 1)
        ratio = min(WIDEST, 1 / area) ** rng.uniform(-1, 1)  # at 1 / area it is as wide, or as high, as the image
        width, height = (min(1.0, math.sqrt(share)) for share in (area * ratio, area / ratio))
        left, top = (1 - width) * rng.random(), (1 - height) * rng.random()
        # Rounding may put an edge a hair beyond the image, which Pillow refuses.
        right, bottom = min(1.0, left + width), min(1.0, top + height)
        box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        cropped = image.resize(image.size, Image.Resampling.BILINEAR, box=box)
        mirrored = rng.random() < 0.5 and self.flip
        return cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else cropped


_OPERATIONS = tuple(OPERATIONS.values())


def _image(decoded: Decoded) -> Image.Image:
    assert not isinstance(decoded, str), "an augmentation of images was given text; `parts.build` refuses that"
    return Image.fromarray(decoded)


def _covered(pixels: NDArray[np.uint8], largest: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A gray square anywhere, partly outside too, with a side of at most `largest` of the shorter side; in place."""
    height, width = pixels.shape[:2]
    side = rng.uniform(0, largest) * min(height, width)
    top, left = rng.uniform(0, height) - side / 2, rng.uniform(0, width) - side / 2
    rows, columns = (slice(max(0, round(start)), max(0, round(start + side))) for start in (top, left))
    pixels[rows, columns] = GRAY
    return pixels

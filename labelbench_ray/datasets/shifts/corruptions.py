"""Corruptions of images at three severities: pure functions of the pixels and of the row's id.

They are this project's own, for images of any size: an accuracy on them cannot be compared with one on CIFAR-10-C or
ImageNet-C, whose files `cifar_c` and `imagenet_c` read.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from labelbench_ray.datasets import Payload
from labelbench_ray.datasets.images import OUT_OF_MEMORY
from labelbench_ray.datasets.images.opened import open_rgb

Pixels = NDArray[np.uint8]
SEVERITIES: Final = (1, 2, 3)
UNDONE: Final = b"an image that could not be corrupted"
"""Every encoder rejects it."""

NOISE: Final = (16.0, 32.0, 64.0)
"""Standard deviation of Gaussian noise, in levels of 255."""
BLUR: Final = (0.015, 0.03, 0.06)
"""Radius of a Gaussian blur, as a part of the shorter side."""
JPEG: Final = (30, 15, 6)
"""JPEG quality."""
CONTRAST: Final = (0.5, 0.3, 0.15)
"""What is left of each pixel's difference from the mean gray."""
BRIGHTNESS: Final = (38, 77, 115)
"""Levels that are added."""
PIXELATE: Final = (0.6, 0.4, 0.25)
"""Width and height of the image in between, as a part of the original's."""

SAMPLE: Final = "test_sample"
"""The split of the test rows, as they are, of which corrupted splits hold a sample: what they are compared with."""
SPLIT: Final = "test_{name}_{severity}"


def noise(image: Image.Image, severity: int, row_id: str) -> Image.Image:
    """Gaussian noise, drawn anew for each row and severity."""
    pixels_HWC = np.asarray(image, np.float64)
    key = np.frombuffer(hashlib.sha256(f"{row_id}\0noise\0{severity}".encode()).digest(), "<u8")
    drawn_HWC = np.random.default_rng([int(each) for each in key]).normal(size=pixels_HWC.shape)
    return _clipped(pixels_HWC + NOISE[severity - 1] * drawn_HWC)


def blur(image: Image.Image, severity: int, row_id: str) -> Image.Image:
    """A Gaussian blur that grows with the image."""
    return image.filter(ImageFilter.GaussianBlur(BLUR[severity - 1] * min(image.size)))


def jpeg(image: Image.Image, severity: int, row_id: str) -> Image.Image:
    """Compressed as JPEG of low quality."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG[severity - 1])
    return Image.open(buffer).convert("RGB")


def contrast(image: Image.Image, severity: int, row_id: str) -> Image.Image:
    """Less contrast."""
    return ImageEnhance.Contrast(image).enhance(CONTRAST[severity - 1])


def brightness(image: Image.Image, severity: int, row_id: str) -> Image.Image:
    """Brighter by the same number of levels everywhere."""
    return _clipped(np.asarray(image, np.float64) + BRIGHTNESS[severity - 1])


def pixelate(image: Image.Image, severity: int, row_id: str) -> Image.Image:
    """Made smaller, and large again without interpolation."""
    part, (width, height) = PIXELATE[severity - 1], image.size
    small = (max(1, round(part * width)), max(1, round(part * height)))
    return image.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.NEAREST)


CORRUPTIONS: Final[Mapping[str, Callable[[Image.Image, int, str], Image.Image]]] = MappingProxyType(
    {each.__name__: each for each in (noise, blur, jpeg, contrast, brightness, pixelate)}
)
"""By name, in the order in which they are reported."""


def is_corrupted(split: str) -> bool:
    """Whether a split, by its name, holds images that are corrupted here."""
    return any(split == SPLIT.format(name=name, severity=severity) for name in CORRUPTIONS for severity in SEVERITIES)


def corrupted(payload: Payload, name: str, severity: int, row_id: str) -> Payload:
    """An image as people see it, corrupted, as PNG.

    What encoders do not decode stays, so that they reject it for the same reason as the plain row. Where the corruption
    itself fails, what is returned is no image either.
    """
    try:
        image = open_rgb(payload)
    except ValueError as error:
        return UNDONE if str(error) == OUT_OF_MEMORY else payload
    buffer = io.BytesIO()
    try:
        CORRUPTIONS[name](image, severity, row_id).save(buffer, format="PNG", compress_level=1)
    except (OSError, ValueError, MemoryError):  # such as a side that JPEG cannot have
        return UNDONE
    return buffer.getvalue()


def _clipped(pixels_HWC: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(pixels_HWC, 0, 255)).astype(np.uint8))

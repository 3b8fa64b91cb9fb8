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

Pixels = NDArray[np.uint8]
SEVERITIES: Final = (1, 2, 3)

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


def corrupted(payload: bytes, name: str, severity: int, row_id: str) -> bytes:
    """An encoded image, corrupted, as PNG; bytes that are not an image stay, so that they are rejected as they are."""
    try:
        image = Image.open(io.BytesIO(payload)).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return payload
    buffer = io.BytesIO()
    CORRUPTIONS[name](image, severity, row_id).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _clipped(pixels_HWC: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(pixels_HWC, 0, 255)).astype(np.uint8))

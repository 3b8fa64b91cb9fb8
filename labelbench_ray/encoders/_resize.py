"""Resizing as in open_clip's transforms, with Pillow alone, so that tasks that decode need no torch."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labelbench_ray.encoders.networks.open_clip_models import Preprocessing

MOST_OF_TARGET = 100
"""Pixels of a resized image, from which the middle is cut, for each pixel of the target."""
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def resized(image: Image.Image, to: Preprocessing) -> NDArray[np.uint8]:
    """The image at the model's size, uint8 (H, W, 3).

    Raises:
        ValueError: it is so long and narrow that, resized, it would be more than `MOST_OF_TARGET` times the target.
    """
    width, height = _size(image, to)
    if width * height > MOST_OF_TARGET * to.width * to.height:
        raise ValueError(
            f"{image.width} x {image.height} pixels: the network reads the middle of {width} x {height}, more than "
            f"{MOST_OF_TARGET} times its {to.width} x {to.height}; cut the image"
        )
    return np.asarray(_placed(image.resize((width, height), FILTERS[to.interpolation]), to))


def _size(image: Image.Image, to: Preprocessing) -> tuple[int, int]:
    width, height = image.size
    if to.resize_mode == "squash":
        return to.width, to.height
    ratios = width / to.width, height / to.height
    if to.resize_mode == "shortest" and to.width == to.height:
        # The longer side is cut to whole pixels here and rounded below, as in the library.
        short = min(width, height)
        return int(to.width * width / short), int(to.height * height / short)
    ratio = max(ratios) if to.resize_mode == "longest" else min(ratios)
    return max(1, round(width / ratio)), max(1, round(height / ratio))


def _placed(image: Image.Image, to: Preprocessing) -> Image.Image:
    """The middle of the image; an image that is too small gets a border."""
    if image.size == (to.width, to.height):
        return image
    if image.width < to.width or image.height < to.height:
        canvas = Image.new("RGB", (max(image.width, to.width), max(image.height, to.height)), (to.fill,) * 3)
        canvas.paste(image, (max(0, to.width - image.width) // 2, max(0, to.height - image.height) // 2))
        image = canvas
    left, top = round((image.width - to.width) / 2), round((image.height - to.height) / 2)
    return image.crop((left, top, left + to.width, top + to.height))

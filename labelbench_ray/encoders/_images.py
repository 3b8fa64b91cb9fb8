"""Opening encoded image bytes safely: for the encoders of images."""

import io
import warnings

import numpy as np
from PIL import Image

from labelbench_ray.datasets import Payload

MAX_PIXELS = 64_000_000


def open_image(payload: Payload) -> Image.Image:
    """The decoded image, whatever its mode.

    Raises:
        ValueError: not bytes, empty, no image, truncated, or more than `MAX_PIXELS` pixels (a decompression bomb).
    """
    if not isinstance(payload, bytes):
        raise ValueError(f"payload is {type(payload).__name__}, an image encoder needs encoded image bytes")
    if not payload:
        raise ValueError("zero bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            image = Image.open(io.BytesIO(payload))
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded")
        image.load()
    except ValueError:
        raise
    except Exception as error:
        # Pillow's codecs raise OSError, SyntaxError, struct.error and others for damaged files; all mean "reject".
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return image


def open_rgb(payload: Payload) -> Image.Image:
    """The decoded image as 8-bit RGB: palettes looked up, alpha laid over black, 16-bit gray scaled to 8.

    Raises:
        ValueError: as `open_image`.
    """
    image = open_image(payload)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        # `convert("RGB")` would show whatever color lies hidden under the transparent pixels.
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "black"), over).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits: Pillow's own conversion would clip at 255, which turns most of the image white."""
    gray_HW = np.nan_to_num(np.asarray(image, dtype=np.float32))
    scale = 255 / 65535 if image.mode != "F" else 1.0
    return Image.fromarray(np.clip(gray_HW * scale, 0, 255).round().astype(np.uint8))

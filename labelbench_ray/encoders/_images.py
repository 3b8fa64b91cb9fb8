"""Opening encoded image bytes safely: for the encoders of images."""

import io
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image, UnidentifiedImageError

from labelbench_ray.datasets import Payload
from labelbench_ray.datasets._formats import FORMATS

MAX_PIXELS = 64_000_000
"""Of one image; decoding takes at most 10 bytes a pixel and 80 MB, so 720 MB."""
STRIP_PIXELS = 4_000_000


def open_image(payload: Payload) -> Image.Image:
    """The decoded image, whatever its mode.

    Raises:
        ValueError: not bytes, empty, no image, truncated, or more than `MAX_PIXELS` pixels (a decompression bomb). The
            text is the same each time, for a shard's hash covers it.
    """
    if not isinstance(payload, bytes):
        raise ValueError(f"payload is {type(payload).__name__}, an image encoder needs encoded image bytes")
    if not payload:
        raise ValueError("zero bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            image = Image.open(io.BytesIO(payload), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded")
        image.load()
    except UnidentifiedImageError as error:  # its own text holds an address in memory
        raise ValueError(f"no image that is whole in one of the formats {', '.join(FORMATS)}") from error
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
    return _plain(open_image(payload)).convert("RGB")


def open_gray(payload: Payload) -> Image.Image:
    """The same as 8-bit gray.

    Raises:
        ValueError: as `open_image`.
    """
    return _plain(open_image(payload)).convert("L")


def _plain(image: Image.Image) -> Image.Image:
    """The image without transparency and with at most 8 bits a channel."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _by_strips(image, "L", _eight_bits)
    return _by_strips(image, "RGB", _over_black) if image.has_transparency_data else image


def _by_strips(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert an image some rows at a time: what lies between, many times its size, is that of a strip only."""
    made = Image.new(mode, image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        made.paste(convert(image.crop((0, top, image.width, min(top + rows, image.height)))), (0, top))
    return made


def _over_black(strip: Image.Image) -> Image.Image:
    """`convert("RGB")` alone would show whatever color lies hidden under the transparent pixels."""
    over = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "black"), over).convert("RGB")


def _eight_bits(strip: Image.Image) -> Image.Image:
    """Gray of more than 8 bits: Pillow's own conversion would clip at 255, which turns most of the image white."""
    gray_HW = np.nan_to_num(np.asarray(strip, dtype=np.float32))
    scale = 255 / 65535 if strip.mode != "F" else 1.0
    return Image.fromarray(np.clip(gray_HW * scale, 0, 255).round().astype(np.uint8))

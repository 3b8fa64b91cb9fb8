"""Opening encoded images safely, as people see them: for encoders and for data sets that change images."""

import io
import warnings
from typing import Final

from PIL import Image, ImageFile, UnidentifiedImageError

from labelbench_ray.datasets import Payload
from labelbench_ray.datasets.files.image_formats import FORMATS
from labelbench_ray.datasets.images import OUT_OF_MEMORY
from labelbench_ray.datasets.images.shown import factor_of, shown

MAX_PIXELS: Final = 64_000_000
"""Of one image."""
MAX_PIXELS_OF: Final = {"AVIF": 24_000_000, "JPEG2000": 24_000_000, "WEBP": 24_000_000}
"""Less of formats whose decoders take 10 to 25 bytes a pixel; the others take 4, a progressive JPEG 7."""
MAX_SIDE: Final = 65_535
"""Of one image: what lies between the steps of a resize is this long and as wide as the result."""
MOST_BYTES: Final = 720_000_000
"""What opening one image takes at most, whatever its shape."""
GRAY_STEPS: Final = {"L;2": 85, "L;4": 17}
"""From one gray of 2 or 4 bits to the next, in 8 bits."""
JPEG_SCALES: Final = (8, 4, 2)
"""The divisors of both sides at which libjpeg decodes without the finer frequencies."""


def open_image(payload: Payload, least_side: int | None = None) -> Image.Image:
    """The decoded image, whatever its mode; its first frame. A JPEG that is too large is decoded at a half or less.

    Args:
        least_side: a JPEG is decoded at a fraction of its sides, as long as the shorter one keeps this many pixels.

    Raises:
        ValueError: not bytes, empty, no image, truncated, or larger than is decoded (a decompression bomb). The text is
            the same each time, for a shard's hash covers it.
    """
    if not isinstance(payload, bytes):
        raise ValueError(f"payload is {type(payload).__name__}, an image encoder needs encoded image bytes")
    if not payload:
        raise ValueError("zero bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            image = Image.open(io.BytesIO(payload), formats=FORMATS)
        _check_size(image)
        _fit_key(image)
        if (factor := max(factor_of(image.size), _jpeg_scale(image.size, least_side))) > 1:
            image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
        image.load()
    except UnidentifiedImageError as error:  # its own text holds an address in memory
        raise ValueError(f"no image that is whole in one of the formats {', '.join(FORMATS)}") from error
    except MemoryError as error:
        raise ValueError(OUT_OF_MEMORY) from error
    except ValueError:
        raise
    except Exception as error:
        # Pillow's codecs raise OSError, SyntaxError, struct.error and others for damaged files; all mean "reject".
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return image


def open_rgb(payload: Payload, least_side: int | None = None) -> Image.Image:
    """The image as people see it, 8-bit RGB: upright, palettes looked up, alpha laid over black, deep gray scaled to 8.

    One of more than 17 million pixels has half as many a side.

    Args:
        least_side: as `open_image`.

    Raises:
        ValueError: as `open_image`; or the numbers do not state what is to be seen.
    """
    return _opened(payload, "RGB", least_side)


def open_gray(payload: Payload, least_side: int | None = None) -> Image.Image:
    """The image as people see it, 8-bit gray.

    Args:
        least_side: as `open_image`.

    Raises:
        ValueError: as `open_rgb`.
    """
    return _opened(payload, "L", least_side)


def _opened(payload: Payload, mode: str, least_side: int | None) -> Image.Image:
    image = open_image(payload, least_side)
    try:
        return shown(image, mode)
    except MemoryError as error:
        raise ValueError(OUT_OF_MEMORY) from error


def _jpeg_scale(size: tuple[int, int], least_side: int | None) -> int:
    """The largest divisor that leaves the shorter side long enough; other formats have no such decoding."""
    return next((scale for scale in JPEG_SCALES if least_side and min(size) >= scale * least_side), 1)


def _check_size(image: ImageFile.ImageFile) -> None:
    most, size = MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS), f"{image.width} x {image.height} pixels"
    if image.width * image.height > most:
        raise ValueError(f"{size}, at most {most} of a {image.format} image are decoded")
    if max(image.size) > MAX_SIDE:
        raise ValueError(f"{size}, at most {MAX_SIDE} a side are decoded")


def _fit_key(image: ImageFile.ImageFile) -> None:
    """A PNG states its transparent color in the bits of the file, and Pillow gives the pixels in 8."""
    key, form = image.info.get("transparency"), image.tile[0].args if image.tile else None
    if form == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    elif isinstance(key, int) and isinstance(form, str) and form in GRAY_STEPS:
        image.info["transparency"] = key * GRAY_STEPS[form]

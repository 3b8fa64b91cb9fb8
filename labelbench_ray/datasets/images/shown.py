"""A decoded image as people see it, in 8-bit RGB or gray: upright, without transparency, black and white correct.

Color profiles are not applied: an image in another color space than sRGB keeps its numbers.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import ExifTags, Image

LARGE_PIXELS: Final = 17_000_000
"""Larger images are halved first: networks use some hundreds of pixels a side."""
STRIP_PIXELS: Final = 4_000_000
PLAIN: Final = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
BITS, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operations that undo an EXIF orientation."""
Strip = Image.Image


@dataclass(frozen=True, slots=True)
class Gray:
    """How numbers of more than 8 bits are gray: 0 is black and `white` is white, or the other way round."""

    white: float
    inverted: bool = False
    transparent: float | None = None
    """The number that is transparent, and therefore shown black."""

    def eight_bits(self, strip: Strip) -> Strip:
        """Pillow's own conversion would clip at 255, which turns most of a 16-bit image white."""
        gray_HW = np.nan_to_num(np.asarray(strip, dtype=np.float32))
        shown_HW = self.white - gray_HW if self.inverted else gray_HW
        if self.transparent is not None:
            shown_HW[gray_HW == self.transparent] = 0
        return Image.fromarray(np.clip(shown_HW * (255 / self.white), 0, 255).round().astype(np.uint8))


def factor_of(size: tuple[int, int]) -> int:
    """The divisor of both sides of an image: 2 if it is large."""
    return 2 if size[0] * size[1] > LARGE_PIXELS else 1


def shown(image: Image.Image, mode: str) -> Image.Image:
    """The image as people see it, in the mode "RGB" or "L".

    Raises:
        ValueError: people would not agree on what they see; the text names the mode.
    """
    kind, convert = _converter(image)
    factor, turn = factor_of(image.size), _turn(image)
    plain = image if convert is None and factor == 1 else _by_strips(image, kind, convert or _in(kind), factor)
    upright = plain.convert(mode)
    return upright if turn is None else upright.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF raises whatever its parser meets; it does not make the image a reject
        return None


def _converter(image: Image.Image) -> tuple[str, Callable[[Strip], Strip] | None]:
    """The mode of a strip as people see it, and what makes it; None where Pillow's own conversion does."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return "L", _gray(image).eight_bits
    if image.has_transparency_data:
        return "RGB", _over_black
    if image.mode not in PLAIN:
        raise ValueError(f"an image of mode {image.mode}, which has no agreed colors; convert it to RGB")
    return ("L" if image.mode in ("1", "L") else "RGB"), None


def _in(mode: str) -> Callable[[Strip], Strip]:
    return lambda strip: strip.convert(mode)


def _by_strips(image: Image.Image, mode: str, convert: Callable[[Strip], Strip], factor: int) -> Image.Image:
    """Convert an image in strips of rows: the intermediate result, many times the size, is that of one strip only."""
    made = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, STRIP_PIXELS // image.width // factor)
    for top in range(0, image.height, rows):
        strip = convert(image.crop((0, top, image.width, min(top + rows, image.height))))
        made.paste(strip if factor == 1 else strip.reduce(factor), (0, top // factor))
    return made


def _over_black(strip: Strip) -> Strip:
    """`convert("RGB")` alone would show the hidden color of transparent pixels."""
    over = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "black"), over).convert("RGB")


def _gray(image: Image.Image) -> Gray:
    """How an image of more than 8 bits is meant. No file states which number of 32 bits is white: the range decides."""
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    if image.mode.startswith("I;16"):
        bits = tags.get(BITS, (16,))[0]
        return Gray(2**bits - 1, inverted, image.info.get("transparency"))
    low, high = _range(image)
    if image.mode == "I" and image.format == "PPM":  # which Pillow scales to 16 bits
        return Gray(65535)
    whites = (255, 65535) if image.mode == "I" else (1, 255)
    white = next((white for white in whites if high <= white), None)
    if low < 0 or white is None:
        raise ValueError(
            f"gray of 32 bits from {low:g} to {high:g}: which number is white is only known from 0 to {whites[0]} or "
            f"{whites[1]}; scale it"
        )
    return Gray(white, inverted)


def _range(image: Image.Image) -> tuple[float, float]:
    """The smallest and the largest number; NaN counts as 0, as it is shown."""
    rows = max(1, STRIP_PIXELS // image.width)
    strips = (image.crop((0, top, image.width, min(top + rows, image.height))) for top in range(0, image.height, rows))
    ranges = [
        (array.min(), array.max()) for strip in strips for array in [np.nan_to_num(np.asarray(strip), posinf=np.inf)]
    ]
    return float(min(low for low, _ in ranges)), float(max(high for _, high in ranges))

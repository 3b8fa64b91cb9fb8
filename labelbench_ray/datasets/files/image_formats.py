"""The image formats that encoders decode, and the suffixes that files of these formats have."""

from functools import cache

from PIL import Image

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Formats of images that are decoded. Pillow supports more; one of them runs Ghostscript as a program."""


@cache
def suffixes() -> frozenset[str]:
    """The suffixes, in lower case with their dots, of all files that can be decoded: those Pillow registers."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)

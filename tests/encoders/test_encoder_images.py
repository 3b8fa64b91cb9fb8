"""Opening images of every kind, and refusing what is none."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.encoders import _images
from labelbench_ray.encoders._images import open_image, open_rgb

RED_HWC = np.full((4, 6, 3), (200, 30, 60), dtype=np.uint8)


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def bomb(side):
    """A PNG that says it is `side` pixels wide and high, in a few bytes."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("mode", "form"), [("RGB", "PNG"), ("P", "PNG"), ("P", "GIF"), ("CMYK", "TIFF"), ("RGBA", "PNG")]
)
def test_color_survives_every_mode(mode, form):
    red = Image.fromarray(RED_HWC)
    image = open_rgb(encoded(red.quantize(4) if mode == "P" else red.convert(mode), form))
    assert (image.mode, image.size) == ("RGB", (6, 4))
    np.testing.assert_allclose(np.asarray(image).astype(int), RED_HWC, atol=8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "YCbCr", "F", "I"])
def test_every_mode_becomes_rgb(mode):
    form = "TIFF" if mode in ("F", "I", "YCbCr") else "PNG"
    assert open_rgb(encoded(Image.fromarray(RED_HWC).convert(mode), form)).mode == "RGB"


def test_sixteen_bits_are_scaled_not_clipped():
    gray_HW = np.array([[0, 16384, 32768, 65535]], dtype=np.uint16)
    image = open_rgb(encoded(Image.fromarray(gray_HW)))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 64, 128, 255]


def test_transparent_pixels_are_black_whatever_color_they_hide():
    pixels_HWC = np.full((2, 2, 4), 255, dtype=np.uint8)
    pixels_HWC[0, 0, 3] = 0
    assert np.asarray(open_rgb(encoded(Image.fromarray(pixels_HWC))))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("a text", "payload is str"),
        (b"", "zero bytes"),
        (b"no image at all", "UnidentifiedImageError"),
        (
            encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)), "JPEG")[
                :900
            ],
            "truncated",
        ),
        (bomb(100_000), r"100000 x 100000|bomb"),
        (bomb(9_000), "9000 x 9000 pixels, at most"),
    ],
)
def test_what_is_no_image_says_why(payload, reason):
    with pytest.raises(ValueError, match=reason):
        open_image(payload)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="at most"):
        open_image(bomb(int(_images.MAX_PIXELS**0.5) + 1))

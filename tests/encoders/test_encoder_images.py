"""Opening images of every kind, and refusing what is none."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.datasets.images import opened, shown
from labelbench_ray.datasets.images.opened import open_gray, open_image, open_rgb

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
        (b"no image at all", "no image that is whole in one of the formats AVIF, BMP, "),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),  # Pillow would have Ghostscript run it
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
        open_image(bomb(int(opened.MAX_PIXELS**0.5) + 1))


def test_the_reason_is_the_same_each_time():
    """A shard's hash covers it, so an address in memory would give each embedding another content."""
    reasons = []
    for _ in range(2):
        with pytest.raises(ValueError, match="no image") as refused:
            open_image(bytes(bytearray(b"no image at all")))
        reasons.append(str(refused.value))
    assert reasons[0] == reasons[1]
    assert "0x" not in reasons[0]


@pytest.mark.parametrize("mode", ["I;16", "F", "LA", "RGBA", "P"])
def test_an_image_converted_by_strips_is_the_same_as_at_once(monkeypatch, mode):
    rng = np.random.default_rng(0)
    if mode in ("I;16", "F"):
        kind = np.uint16 if mode == "I;16" else np.float32
        image = Image.fromarray(rng.integers(0, 256 if mode == "F" else 65536, (40, 30)).astype(kind))
    elif mode == "P":
        image = Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).quantize(16)
        image.info["transparency"] = 3
    else:
        image = Image.fromarray(rng.integers(0, 256, (40, 30, len(mode)), dtype=np.uint8), mode=mode)
    payload = encoded(image, "TIFF" if mode == "F" else "PNG", **({"transparency": 3} if mode == "P" else {}))
    whole = [np.asarray(each(payload)) for each in (open_rgb, open_gray)]
    monkeypatch.setattr(shown, "STRIP_PIXELS", 30 * 7)
    for at_once, each in zip(whole, (open_rgb, open_gray), strict=True):
        np.testing.assert_array_equal(np.asarray(each(payload)), at_once)


def test_gray_of_sixteen_bits_and_of_hidden_colors_is_what_people_see():
    deep_HW = np.array([[0, 16384, 32768, 65535]], dtype=np.uint16)
    assert np.asarray(open_gray(encoded(Image.fromarray(deep_HW))))[0].tolist() == [0, 64, 128, 255]
    hidden_HWC = np.array([[[255, 255, 255, 0], [255, 255, 255, 255]]], dtype=np.uint8)
    assert np.asarray(open_gray(encoded(Image.fromarray(hidden_HWC))))[0].tolist() == [0, 255]


PEAK = """
import sys
from pathlib import Path
from labelbench_ray.datasets.images.opened import open_rgb
def most():  # of this process: that of getrusage begins with what its parent had
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
payload = Path(sys.argv[1]).read_bytes()
before = most()
try:
    open_rgb(payload)
except ValueError as error:
    print(f"rejected: {error}")
print(most() - before)
"""


def peak_mib(path):
    """Memory that opening an image takes in a process of its own, and what it printed before."""
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
    *said, kib = done.stdout.splitlines()
    return int(kib) / 1024, "".join(said)


@pytest.mark.parametrize("side", [8_001, 14_000])
def test_a_whole_bomb_takes_no_memory(tmp_path, side):
    """Its pixels are all there, in a small file: zeros."""
    Image.new("L", (side, side)).save(tmp_path / "bomb.png", compress_level=1)
    assert (tmp_path / "bomb.png").stat().st_size < 0.01 * side * side
    peak, said = peak_mib(tmp_path / "bomb.png")
    assert said.startswith("rejected:")
    assert str(side) in said or "exceeds limit" in said
    assert peak < 40


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_an_image_takes_at_most_the_memory_that_is_stated(tmp_path, mode):
    Image.new(mode, (30_000, 500)).save(tmp_path / "wide.png", compress_level=1)
    peak, said = peak_mib(tmp_path / "wide.png")
    assert not said
    assert peak < (30_000 * 500 * 10 + 80e6) / 2**20

"""No image takes more memory than is stated, whatever its shape and format; what would is rejected with a reason."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from labelbench_ray.datasets import Records
from labelbench_ray.datasets.images import OUT_OF_MEMORY, opened, shown
from labelbench_ray.datasets.images.opened import MAX_PIXELS, MAX_PIXELS_OF, MOST_BYTES, open_gray, open_rgb
from labelbench_ray.embeddings.decoding import decode_shard
from labelbench_ray.encoders import _resize
from labelbench_ray.encoders.efficientnet_lite0 import EfficientnetLite0
from labelbench_ray.encoders.networks import open_clip_models
from labelbench_ray.encoders.pixels import Pixels
from tests.encoders.image_files import ORIENTATION, encoded, png, tiff

PEAK = """
import io, sys
from pathlib import Path
from PIL import Image
from labelbench_ray.datasets.images import opened, shown
def most():  # of this process: that of getrusage begins with what its parent had
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
payload, shown.LARGE_PIXELS, shown.STRIP_PIXELS = Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), 50_000
Image.init()
Image.new("RGBA", (4, 4)).save(small := io.BytesIO(), "PNG")
opened.open_rgb(small.getvalue())  # so that what is imported for the first image does not count
before = most()
image = opened.open_rgb(payload)
print(image.width * image.height, (most() - before) * 1024)
"""
SIDE = 1600
STRIPS = 80_000_000
"""Bytes of the strips in which an image is converted, at the size that they have."""


def picture(mode: str = "RGB") -> Image.Image:
    rows = np.arange(SIDE)
    red = np.add.outer(rows, rows) // 20 % 256
    channels = [np.broadcast_to(band, (SIDE, SIDE)) for band in (red, rows // 9 % 256, rows[:, None] // 7 % 256)]
    image = Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))
    return image if mode == "RGB" else image.convert(mode)


def deep_tiff() -> bytes:
    return tiff(np.zeros((SIDE, SIDE, 4), "<u2"), (SIDE, SIDE), 2, [16] * 4, extra=2)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


WORST = {
    "PNG": lambda: encoded(picture("RGBA"), "PNG", compress_level=1, exif=turned()),
    "JPEG": lambda: encoded(picture(), "JPEG", progressive=True, subsampling=0, exif=turned()),
    "JPEG of inks": lambda: encoded(picture("CMYK"), "JPEG", progressive=True, subsampling=0),
    "JPEG2000": lambda: encoded(picture("RGBA"), "JPEG2000"),
    "WEBP": lambda: encoded(picture("RGBA"), "WEBP", method=0, exif=turned()),
    "AVIF": lambda: encoded(picture("RGBA"), "AVIF", speed=10, subsampling="4:4:4"),
    "TIFF": lambda: encoded(picture("RGBA"), "TIFF", compression="tiff_lzw", exif=turned()),
    "TIFF of 16 bits": deep_tiff,
    "GIF": lambda: encoded(picture().quantize(64), "GIF", transparency=3),
    "BMP": lambda: encoded(picture(), "BMP"),
}


@pytest.mark.parametrize("large", [True, False], ids=["halved", "as it is"])
@pytest.mark.parametrize("name", WORST)
def test_an_image_takes_at_most_the_memory_that_is_stated(tmp_path: Path, name: str, large: bool):
    """Bytes a pixel of a small image, times the pixels of the largest that is decoded, halved or not."""
    path = tmp_path / "image"
    path.write_bytes(WORST[name]())
    form = name.split()[0]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(SIDE * SIDE - 1 if large else SIDE * SIDE)],
        capture_output=True,
        text=True,
        check=True,
    )
    pixels, peak = map(int, done.stdout.split())
    assert pixels == (SIDE * SIDE / 4 if large else SIDE * SIDE)
    assert peak > SIDE * SIDE / 2, "the measurement sees the image"
    most = MAX_PIXELS_OF.get(form, MAX_PIXELS) if large else shown.LARGE_PIXELS
    assert peak / SIDE**2 * most + STRIPS <= MOST_BYTES


def bomb(width: int, height: int) -> bytes:
    """A PNG that states its size and holds nothing."""
    return png(width, height, 8, 2, b"")


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (1, 60_000_000, "1 x 60000000 pixels, at most 65535 a side are decoded"),
        (60_000_000, 1, "60000000 x 1 pixels, at most 65535 a side"),
        (1, 65_536, "1 x 65536 pixels, at most 65535 a side"),
        (8_001, 8_000, "8001 x 8000 pixels, at most 64000000 of a PNG image are decoded"),
    ],
)
@pytest.mark.parametrize("read", [open_rgb, open_gray])
def test_a_size_beyond_the_bounds_is_rejected_before_it_is_decoded(
    width: int, height: int, reason: str, read, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=reason):
        read(bomb(width, height))


@pytest.mark.parametrize("form", MAX_PIXELS_OF)
def test_formats_whose_decoders_take_more_memory_have_a_bound_of_their_own(form: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(opened.MAX_PIXELS_OF, form, 99)
    with pytest.raises(ValueError, match=f"10 x 10 pixels, at most 99 of a {form} image are decoded"):
        open_rgb(encoded(Image.new("RGB", (10, 10)), form))
    assert open_rgb(encoded(Image.new("RGB", (10, 10)))).size == (10, 10)


@pytest.mark.parametrize(("width", "height"), [(30_000, 1), (1, 30_000), (2_000, 3)])
def test_a_long_narrow_image_makes_no_giant_between(width: int, height: int):
    """Resized by its shorter side to 224 pixels it would have up to a billion."""
    image = Image.new("RGB", (width, height), (9, 90, 200))
    to = open_clip_models.Preprocessing(224, 224)
    assert to.resize_mode == "shortest"
    with pytest.raises(
        ValueError, match=rf"{width} x {height} pixels: the network reads the middle of .* cut the image"
    ):
        _resize.resized(image, to)
    payload = encoded(image)
    assert Pixels(size=8).decode(payload).shape == (8, 8)
    assert EfficientnetLite0(size=32).decode(payload).tolist() == [[[9, 90, 200]] * 32] * 32


def test_an_image_at_the_bound_of_its_shape_is_read():
    to = open_clip_models.Preprocessing(32, 32)
    assert _resize.resized(Image.new("RGB", (100, 1), (9, 90, 200)), to).tolist() == [[[9, 90, 200]] * 32] * 32
    with pytest.raises(ValueError, match="101 x 1 pixels"):
        _resize.resized(Image.new("RGB", (101, 1)), to)


@pytest.mark.parametrize("method", ["load", "crop", "convert", "resize"])
def test_an_image_for_which_memory_does_not_suffice_is_rejected_with_the_same_reason(
    method: str, monkeypatch: pytest.MonkeyPatch
):
    """Whichever step it is: the shard's hash covers the reason."""
    payload = encoded(Image.new("RGBA", (4, 4)))

    def exhausted(*given: object, **named: object) -> None:
        raise MemoryError(f"at {id(given)}")

    monkeypatch.setattr(ImageFile.ImageFile if method == "load" else Image.Image, method, exhausted)
    shard = decode_shard(Records(["a"], [payload], np.zeros(1, np.int64)), EfficientnetLite0(size=32))
    assert shard.rejects == {"a": OUT_OF_MEMORY}


def test_a_photo_that_is_too_large_is_decoded_at_half_its_size(monkeypatch: pytest.MonkeyPatch):
    image = Image.new("RGB", (64, 48), (9, 90, 200))
    monkeypatch.setattr(shown, "LARGE_PIXELS", 64 * 48 - 1)
    halved = opened.open_image(encoded(image, "JPEG"))
    assert halved.size == (32, 24)
    assert open_rgb(encoded(image, "JPEG")).size == (32, 24)

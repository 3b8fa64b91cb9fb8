"""Every mode that Pillow opens is what people see, by hand, or is rejected with a reason; and so is its orientation."""

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.datasets.images import shown as shown_images
from labelbench_ray.datasets.images.opened import open_gray, open_rgb
from labelbench_ray.datasets.images.shown import shown
from tests.encoders.image_files import ORIENTATION, encoded, png, tiff

BLACK, WHITE, RED, SAND = (0, 0, 0), (255, 255, 255), (200, 30, 60), (90, 120, 30)


def u8(*values: object) -> np.ndarray:
    return np.array(values, np.uint8)


def u16(*values: int) -> np.ndarray:
    return np.array(values, "<u2")


def f32(*values: float) -> np.ndarray:
    return np.array(values, "<f4")


def gray(*values: int) -> list[tuple[int, int, int]]:
    return [(value, value, value) for value in values]


def big(*values: int) -> bytes:
    """16 bits each, as PNG has them."""
    return np.array(values, ">u2").tobytes()


def palette(**options: object) -> bytes:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *SAND, *WHITE])
    image.putdata([0, 1, 2])
    return encoded(image, **options)


def frames(form: str) -> bytes:
    red, sand = (Image.new("RGB", (2, 1), color) for color in (RED, SAND))
    return encoded(red, form, save_all=True, append_images=[sand], **({"lossless": True} if form == "WEBP" else {}))


def cmyk(adobe: bool) -> bytes:
    """A JPEG of four inks: written inverted, with Adobe's note or without."""
    data = encoded(Image.new("CMYK", (16, 16), (40, 80, 120, 60)), "JPEG", quality=100, subsampling=0)
    start = data.index(b"\xff\xee")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    return data if adobe else data[:start] + data[start + 2 + length :]


def printed(cyan: int, magenta: int, yellow: int, key: int) -> tuple[int, ...]:
    """The color of ink: what is left of white."""
    return tuple(round((255 - ink) * (255 - key) / 255) for ink in (cyan, magenta, yellow))


YELLOWISH = (226, 1, 149)
"""As YCbCr of 8 bits: a saturated yellow, within rounding."""
SEEN = {
    "1": (encoded(Image.fromarray(u8([0, 255])).convert("1")), [BLACK, WHITE]),
    "L": (encoded(Image.fromarray(u8([0, 77, 255]))), gray(0, 77, 255)),
    "L, white is zero": (tiff(u8(0, 77, 255), (3, 1), 0, [8]), gray(255, 178, 0)),
    "L of 2 bits, one transparent": (
        png(4, 1, 2, 0, b"\0" + bytes([0b00011011]), transparent=b"\0\x01"),
        gray(0, 0, 170, 255),
    ),
    "L of 4 bits, one transparent": (png(2, 1, 4, 0, b"\0\x5f", transparent=b"\0\x0f"), gray(85, 0)),
    "L, one transparent": (encoded(Image.fromarray(u8([9, 77])), transparency=77), gray(9, 0)),
    "1, white transparent": (png(8, 1, 1, 0, b"\0\xaa", transparent=b"\0\x01"), [BLACK] * 8),
    "LA": (encoded(Image.fromarray(u8([[200, 255], [200, 0]]), "LA")), gray(200, 0)),
    "La": (tiff(u8(200, 255, 50, 128, 0, 0), (3, 1), 1, [8, 8], extra=1), gray(200, 50, 0)),
    "LA of 16 bits": (png(2, 1, 16, 4, b"\0" + big(65535, 65535, 65535, 0)), gray(255, 0)),
    "RGB": (encoded(Image.fromarray(u8([RED, SAND]))), [RED, SAND]),
    "RGB, one transparent": (encoded(Image.fromarray(u8([RED, SAND])), transparency=SAND), [RED, BLACK]),
    "RGB of 16 bits": (png(2, 1, 16, 2, b"\0" + big(*(257 * v for v in RED + SAND))), [RED, SAND]),
    "RGB of 16 bits, one transparent": (
        png(2, 1, 16, 2, b"\0" + big(*(257 * v for v in RED + SAND)), transparent=big(*(257 * v for v in RED))),
        [BLACK, SAND],
    ),
    "RGB of 16 bits in a TIFF": (tiff(u16(*(257 * v for v in RED)), (1, 1), 2, [16] * 3), [RED]),
    "RGBX": (tiff(u8(*RED, 7, *SAND, 9), (2, 1), 2, [8] * 4, extra=0), [RED, SAND]),
    "RGBA": (encoded(Image.fromarray(u8([(*RED, 255), (*RED, 0), (*RED, 51)]))), [RED, BLACK, (40, 6, 12)]),
    "RGBa": (tiff(u8(*RED, 255, 40, 6, 12, 51), (2, 1), 2, [8] * 4, extra=1), [RED, (40, 6, 12)]),
    "RGBA of 16 bits": (png(1, 1, 16, 6, b"\0" + big(*(257 * v for v in RED), 65535)), [RED]),
    "P": (palette(), [RED, SAND, WHITE]),
    "P in a GIF": (palette(form="GIF"), [RED, SAND, WHITE]),
    "P, one transparent": (palette(transparency=1), [RED, BLACK, WHITE]),
    "P in a GIF, one transparent": (palette(form="GIF", transparency=2), [RED, SAND, BLACK]),
    "P, alpha in bytes": (palette(transparency=bytes([255, 51, 0])), [RED, (18, 24, 6), BLACK]),
    "PA": (
        tiff(
            u8(0, 255, 1, 0),
            (2, 1),
            3,
            [8, 8],
            extra=2,
            colors=[257 * c for band in zip(RED, SAND, strict=True) for c in (*band, *[0] * 254)],
        ),
        [RED, BLACK],
    ),
    "CMYK": (tiff(u8(40, 80, 120, 60), (1, 1), 5, [8] * 4), [printed(40, 80, 120, 60)]),
    "CMYK by Adobe": (cmyk(adobe=True), [printed(40, 80, 120, 60)]),
    "CMYK without Adobe's note": (cmyk(adobe=False), [printed(40, 80, 120, 60)]),  # viewers read it as if it had one
    "YCbCr": (tiff(u8(*YELLOWISH), (1, 1), 6, [8] * 3), [(255, 255, 1)]),
    "I;16": (tiff(u16(0, 16384, 65535), (3, 1), 1, [16]), gray(0, 64, 255)),
    "I;16B": (encoded(Image.fromarray(np.array([[0, 16384, 65535]], ">u2").astype("<u2"))), gray(0, 64, 255)),
    "I;16, white is zero": (tiff(u16(0, 16384, 65535), (3, 1), 0, [16]), gray(255, 191, 0)),
    "I;16, one transparent": (png(2, 1, 16, 0, b"\0" + big(16384, 65535), transparent=big(65535)), gray(64, 0)),
    "I;16 of 12 bits": (tiff(bytes([0x80, 0x0F, 0xFF]), (2, 1), 1, [12]), gray(128, 255)),
    "I in a PGM": (b"P5 2 1 65535\n" + big(16384, 65535), gray(64, 255)),
    "I in a PGM of 10 bits": (b"P5 2 1 1023\n" + big(512, 1023), gray(128, 255)),
    "I of 8 bits": (tiff(np.array([0, 77, 255], "<i4"), (3, 1), 1, [32], kind=2), gray(0, 77, 255)),
    "I of 16 bits": (tiff(np.array([0, 16384, 65535], "<i4"), (3, 1), 1, [32], kind=2), gray(0, 64, 255)),
    "F to 1": (tiff(f32(0, 0.25, 1), (3, 1), 1, [32], kind=3), gray(0, 64, 255)),
    "F to 255": (tiff(f32(0, 77, 255, np.nan), (4, 1), 1, [32], kind=3), gray(0, 77, 255, 0)),
    "F, white is zero": (tiff(f32(0, 0.25, 1), (3, 1), 0, [32], kind=3), gray(255, 191, 0)),
    "APNG": (frames("PNG"), [RED, RED]),
    "GIF of two frames": (frames("GIF"), [RED, RED]),
    "TIFF of two pages": (frames("TIFF"), [RED, RED]),
    "WEBP of two frames": (frames("WEBP"), [RED, RED]),
}
REJECTED = {
    "LAB": (tiff(u8(120, 10, 246), (1, 1), 8, [8] * 3), "an image of mode LAB, which has no agreed colors"),
    "I beyond 16 bits": (
        tiff(np.array([0, 65536], "<i4"), (2, 1), 1, [32], kind=2),
        "gray of 32 bits from 0 to 65536: which number is white is only known from 0 to 255 or 65535; scale it",
    ),
    "I below 0": (tiff(np.array([-1, 9], "<i2"), (2, 1), 1, [16], kind=2), "from -1 to 9"),
    "I of 32 bits without a sign": (tiff(np.array([0, 2**32 - 1], "<u4"), (2, 1), 1, [32]), "gray of 32 bits"),
    "F beyond 255": (tiff(f32(0, 256), (2, 1), 1, [32], kind=3), "from 0 to 256: .* from 0 to 1 or 255"),
    "F below 0": (tiff(f32(-0.5, 0.5), (2, 1), 1, [32], kind=3), "from -0.5 to 0.5"),
    "F without end": (tiff(f32(0, np.inf), (2, 1), 1, [32], kind=3), "from 0 to inf"),
}


@pytest.mark.parametrize("name", SEEN)
def test_an_image_is_what_people_see(name: str):
    payload, expected = SEEN[name]
    image = open_rgb(payload)
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image, int)[0, : len(expected)], np.array(expected), atol=1)


@pytest.mark.parametrize("name", SEEN)
def test_its_gray_is_that_of_what_people_see(name: str):
    """Luma of ITU-R 601, rounded."""
    payload, expected = SEEN[name]
    image = open_gray(payload)
    assert image.mode == "L"
    luma = np.array(expected) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(np.asarray(image, int)[0, : len(expected)], luma, atol=1.6)


@pytest.mark.parametrize("name", REJECTED)
@pytest.mark.parametrize("read", [open_rgb, open_gray])
def test_what_people_would_not_agree_on_is_rejected_with_the_same_reason_each_time(name: str, read):
    payload, reason = REJECTED[name]
    texts = []
    for _ in range(2):
        with pytest.raises(ValueError, match=reason) as refused:
            read(payload)
        texts.append(str(refused.value))
    assert texts[0] == texts[1]
    assert "\n" not in texts[0]


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LA", "La", "PA", "RGBA", "RGBa"]
)
def test_every_mode_of_pillow_s_is_shown_or_rejected(mode: str):
    """Also those that none of the formats gives today."""
    image = Image.new(mode, (2, 2))
    assert shown(image, "RGB").mode == "RGB"
    assert shown(image, "L").mode == "L"


UPRIGHT = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}
"""How a picture is stored under each tag: the tag 6 has viewers turn it clockwise, 8 counterclockwise."""


def tagged(orientation: int, form: str, **options: object) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(image, form, exif=exif, **options)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})],
)
def test_an_image_is_turned_as_its_tag_states_exactly_once(orientation: int, form: str, options: dict):
    np.testing.assert_array_equal(np.asarray(open_rgb(tagged(orientation, form, **options))), UPRIGHT)


@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_turned_as_its_tag_states(orientation: int):
    """JPEG's noise aside: a picture of four flat quarters."""
    quarters = np.kron(u8([RED, SAND], [BLACK, WHITE]), np.ones((16, 16, 1), np.uint8))
    turned = {2: quarters[:, ::-1], 4: quarters[::-1], 3: quarters[::-1, ::-1], 1: quarters} | {
        5: quarters.transpose(1, 0, 2),
        6: np.rot90(quarters, 1),
        7: quarters[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(quarters, -1),
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(np.ascontiguousarray(turned[orientation]))
    payload = encoded(image, "JPEG", exif=exif, quality=100, subsampling=0)
    np.testing.assert_allclose(np.asarray(open_rgb(payload), int), quarters, atol=4)
    gray_HW = quarters @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(np.asarray(open_gray(payload), int), gray_HW, atol=4)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0 damaged", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"]
)
def test_damaged_exif_turns_nothing(exif: bytes):
    image = Image.fromarray(UPRIGHT)
    np.testing.assert_array_equal(np.asarray(open_rgb(encoded(image, "PNG", exif=exif))), UPRIGHT)


@pytest.mark.parametrize("orientation", [0, 9, 4711])
def test_a_tag_that_means_nothing_turns_nothing(orientation: int):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    np.testing.assert_array_equal(np.asarray(open_rgb(encoded(Image.fromarray(UPRIGHT), exif=exif))), UPRIGHT)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16", "CMYK", "P", "1", "F"])
def test_a_large_image_is_the_mean_of_every_four_pixels_and_turned(mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shown_images, "LARGE_PIXELS", 100)
    monkeypatch.setattr(shown_images, "STRIP_PIXELS", 61)
    blocks = np.kron(u8([RED, SAND, WHITE, BLACK] * 3, [SAND] * 12, [BLACK, WHITE] * 6), np.ones((2, 2, 1), np.uint8))
    image = Image.fromarray(blocks)
    if mode == "I;16":
        image = Image.fromarray(blocks[..., 0].astype(np.uint16) * 257)
    elif mode == "P":
        image = image.quantize(8)
    else:
        image = image.convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    form = "TIFF" if mode in ("CMYK", "F") else "PNG"
    payload = encoded(image, form, exif=exif)
    large = np.asarray(open_rgb(payload), int)
    monkeypatch.setattr(shown_images, "LARGE_PIXELS", 10**6)
    whole = np.asarray(open_rgb(payload), int)
    assert (large.shape, whole.shape) == ((3, 12, 3), (6, 24, 3))
    np.testing.assert_allclose(large, whole.reshape(3, 2, 12, 2, 3).mean(axis=(1, 3)), atol=1)
    np.testing.assert_allclose(whole[0, :2].mean(axis=0), whole[1, :2].mean(axis=0), atol=1)

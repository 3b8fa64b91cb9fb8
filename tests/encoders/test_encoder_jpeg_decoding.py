"""Encoders decode JPEGs completely, or at a fraction of their sides where the setting states so."""

import numpy as np
import pytest
from PIL import Image

from labelbench_ray import plugins
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders._resize import resized
from labelbench_ray.encoders.open_clip import OpenClip
from tests.encoders.image_files import ORIENTATION, encoded
from tests.small_models import build_encoder

SIZE = 32
SETTINGS = {
    "pixels": {"size": SIZE},
    "efficientnet_lite0": {"size": SIZE},
    "efficientnet_lite0_random": {"size": SIZE},
    "open_clip": {"model": "ViT-B-32", "pretrained": "random"},
}


def photo(width: int, height: int, form: str = "JPEG", **options: object) -> bytes:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return encoded(image, form, **options)


def encoder(name: str, **settings: object) -> Encoder:
    return build_encoder(name, **SETTINGS[name], **settings)


@pytest.mark.parametrize(
    ("size", "least", "decoded"),
    [
        ((640, 480), None, (640, 480)),
        ((640, 480), 32, (80, 60)),
        ((640, 480), 61, (160, 120)),
        ((640, 480), 120, (160, 120)),
        ((640, 480), 121, (320, 240)),
        ((640, 480), 241, (640, 480)),
        ((480, 640), 121, (240, 320)),
        ((641, 483), 32, (81, 61)),
        ((5000, 3600), None, (2500, 1800)),
        ((5000, 3600), 3000, (2500, 1800)),
        ((5000, 3600), 224, (625, 450)),
    ],
)
def test_the_shorter_side_stays_long_enough(size: tuple[int, int], least: int | None, decoded: tuple[int, int]) -> None:
    assert open_rgb(photo(*size), least).size == decoded


def test_only_jpegs_are_decoded_at_a_fraction() -> None:
    assert open_rgb(photo(640, 480, "PNG"), SIZE).size == (640, 480)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_neutral_value_leaves_fingerprints_and_pixels(name: str) -> None:
    plain, complete, scaled = (
        encoder(name),
        encoder(name, jpeg_decoding="complete"),
        encoder(name, jpeg_decoding="scaled"),
    )
    assert plugins.recipe(name, plain) == plugins.recipe(name, complete)
    assert "jpeg_decoding" not in plugins.recipe(name, plain)["settings"]  # type: ignore[operator]
    assert plugins.recipe(name, scaled)["settings"]["jpeg_decoding"] == "scaled"  # type: ignore[index,call-overload]
    assert plain.preprocessing() == complete.preprocessing() != scaled.preprocessing()
    large, small = photo(1800, 1800), photo(SIZE + 8, SIZE + 8)
    near = np.asarray(scaled.decode(large), np.float32) - np.asarray(plain.decode(large), np.float32)
    assert 0 < np.abs(near).max() < 12, "other pixels, but nearly the same picture"
    np.testing.assert_array_equal(scaled.decode(small), plain.decode(small))


def test_a_turned_jpeg_is_upright_at_a_fraction_too() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = open_rgb(photo(640, 480, exif=exif), 60)
    assert image.size == (60, 80)
    whole = open_rgb(photo(640, 480, exif=exif)).resize((60, 80), Image.Resampling.BOX)
    assert np.abs(np.asarray(image, np.float32) - np.asarray(whole, np.float32)).mean() < 2


def test_open_clip_keeps_the_longer_side_of_its_network() -> None:
    from labelbench_ray.encoders.networks import open_clip_models as models

    to = models.preprocessing("ViT-B-32", "random")
    payload = photo(900, 460)
    scaled = OpenClip(model="ViT-B-32", pretrained="random", jpeg_decoding="scaled")
    np.testing.assert_array_equal(scaled.decode(payload), resized(open_rgb(payload, 230), to))
    assert open_rgb(payload, 224).size == (450, 230)

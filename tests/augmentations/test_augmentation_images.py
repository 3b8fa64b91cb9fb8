"""Images change by their key alone, at their own size, by the operations that torchvision has."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from labelbench_ray.augmentations import _operations, images, key
from labelbench_ray.augmentations.images import GRAY, Images

FORMS = ("weak", "strong")


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """Smooth colors with some noise, so that every operation shows."""
    ramp = np.add.outer(np.linspace(0, 120, shape[0]), np.linspace(0, 90, shape[1]))
    noise = np.random.default_rng(seed).integers(0, 40, shape)
    return (noise + (ramp[..., None] if len(shape) == 3 else ramp)).astype(np.uint8)


SHAPES = {"color": (24, 24, 3), "gray": (8, 8), "wide": (12, 30, 3)}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
every_form = pytest.mark.parametrize("form", FORMS)


def apply(form: str, image: np.ndarray, number: int, **settings: object) -> np.ndarray:
    return getattr(Images(**settings), form)(image, number)


@every_shape
@every_form
def test_shape_and_type_stay_and_the_image_itself_is_not_touched(form: str, shape: tuple[int, ...]):
    image = picture(*shape)
    before = image.copy()
    image.flags.writeable = False  # as Pillow's own arrays are
    for number in range(30):
        changed = apply(form, image, number)
        assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(image, before)


@every_form
def test_a_key_means_the_same_in_any_order_and_thread(form: str):
    image = picture(24, 24, 3)
    expected = {number: apply(form, image, number) for number in range(40)}
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: apply(form, image, number), reversed(range(40))))
    for number, changed in zip(reversed(range(40)), found, strict=True):
        np.testing.assert_array_equal(changed, expected[number])


PROGRAM = """
import hashlib, sys
import numpy as np
from labelbench_ray.augmentations import key
from labelbench_ray.augmentations.images import Images
image = (np.arange(24 * 24 * 3) % 251).astype(np.uint8).reshape(24, 24, 3)
hashed = hashlib.sha256()
for view in range(6):
    for form in (Images().weak, Images().strong):
        hashed.update(form(image, key("train/7.png", view)).tobytes())
print(hashed.hexdigest(), "torch" in sys.modules)
"""


def test_another_process_makes_the_same_and_does_without_torch():
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().split()[1] == "False"


def test_no_global_generator_is_touched():
    state = np.random.get_state()[1].copy()  # noqa: NPY002  the one that must stay
    apply("strong", picture(24, 24, 3), 5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_keys_differ_by_row_and_by_view_and_have_63_bits():
    keys = [key(row, view) for row in ("a", "b", "a\0", "1", "") for view in range(200)]
    assert len(set(keys)) == len(keys)
    assert all(0 <= each < 2**63 for each in keys)
    assert max(keys).bit_length() == 63


def test_the_key_of_a_row_and_view_stays_what_it_is():
    """A change here orphans every view that users have embedded."""
    assert key("digits/0007", 3) == KEY


KEY = 6726991277761835325


@every_shape
def test_views_differ_and_weak_is_not_strong(shape: tuple[int, ...]):
    image = picture(*shape)
    made = [apply(form, image, key("row", view)).tobytes() for view in range(10) for form in FORMS]
    assert len(set(made)) == len(made)


def test_the_strong_form_has_a_crop_of_its_own():
    image, off = picture(24, 24, 3), {"operations": 0, "cutout": 0}
    for number in range(20):
        assert not np.array_equal(apply("strong", image, number, **off), apply("weak", image, number))


def test_weak_stays_closer_to_the_image_than_strong():
    image = picture(32, 32, 3)
    away = {
        form: np.mean(
            [np.abs(apply(form, image, number, flip=False).astype(float) - image).mean() for number in range(99)]
        )
        for form in FORMS
    }
    assert away["weak"] < 0.5 * away["strong"]


def test_nothing_but_flips_is_left_when_all_else_is_off():
    image = picture(16, 16, 3)
    off = {"crop": 1, "operations": 0, "cutout": 0}
    flipped = []
    for number in range(400):
        changed = apply("strong", image, number, **off)
        flipped.append(not np.array_equal(changed, image))
        np.testing.assert_array_equal(changed, image[:, ::-1] if flipped[-1] else image)
    assert 150 < sum(flipped) < 250
    np.testing.assert_array_equal(apply("strong", image, flipped.index(True), **off, flip=False), image)


def test_a_crop_keeps_its_share_of_the_area():
    """The image's coordinates as colors say which box each crop took."""
    side = 96
    ramp = np.linspace(0, 255, side)
    image = np.stack([np.tile(ramp, (side, 1)), np.tile(ramp[:, None], (1, side)), np.zeros((side, side))], 2)
    areas, ratios = [], []
    for number in range(300):
        crop = apply("weak", image.astype(np.uint8), number, crop=0.6, flip=False).astype(float)
        width, height = (np.ptp(crop[..., axis].mean(axis=axis)) / 255 for axis in (0, 1))
        areas.append(width * height)
        ratios.append(width / height)
    assert 0.57 < min(areas) < 0.63  # the outermost pixels' centers lie half a pixel inside the box
    assert max(areas) > 0.96
    assert 0.88 < min(ratios) < 0.93
    assert 1.07 < max(ratios) < 1.13


def test_each_operation_is_drawn_about_as_often_and_at_levels_of_its_own(monkeypatch):
    drawn: list[tuple[str, float]] = []

    def spy(name: str) -> object:
        def operation(image: Image.Image, level: float) -> Image.Image:
            drawn.append((name, level))
            return image

        return operation

    monkeypatch.setattr(images, "_OPERATIONS", tuple(spy(name) for name in _operations.OPERATIONS))
    for number in range(1400):
        apply("strong", picture(8, 8), number)
    counts = Counter(name for name, _ in drawn)
    assert len(counts) == 14
    # 300 expected of each, with a standard deviation of 17.
    assert all(230 < count < 370 for count in counts.values())
    levels = np.array([level for _, level in drawn])
    quarters = np.histogram(levels, bins=4, range=(-1, 1))[0] / len(levels)
    np.testing.assert_allclose(quarters, 0.25, atol=0.03)
    threes = levels.reshape(-1, 3)
    assert (np.ptp(threes, axis=1) > 0).all()
    repeats = [len({name for name, _ in drawn[start : start + 3]}) < 3 for start in range(0, len(drawn), 3)]
    assert 0.12 < np.mean(repeats) < 0.28  # 1 - 13 * 12 / 14**2 = 0.204: with replacement


LEVELS = (-1.0, -0.37, 0.0, 0.21, 0.8, 1.0)
MAGNITUDES = {
    "ShearX": lambda level, side: 0.3 * level,
    "ShearY": lambda level, side: 0.3 * level,
    "TranslateX": lambda level, side: 150 / 331 * side * level,
    "TranslateY": lambda level, side: 150 / 331 * side * level,
    "Rotate": lambda level, side: 30 * level,
    "Posterize": lambda level, side: 8 - round(4 * abs(level)),
    "Solarize": lambda level, side: round(255 * (1 - abs(level))) / 255,
}


@pytest.mark.parametrize("name", _operations.OPERATIONS)
@pytest.mark.parametrize("shape", [(31, 31, 3), (8, 8)])
def test_operations_are_torchvision_s(name: str, shape: tuple[int, ...]):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import RandAugment

    oracle = RandAugment(num_ops=1)
    assert list(_operations.OPERATIONS) == list(oracle._AUGMENTATION_SPACE)
    image = Image.fromarray(picture(*shape, seed=3))
    for level in LEVELS:
        magnitude = MAGNITUDES.get(name, lambda level, side: 0.9 * level)(level, shape[0])
        expected = oracle._apply_image_or_video_transform(
            image, name, magnitude, interpolation=InterpolationMode.NEAREST, fill={}
        )
        found = _operations.OPERATIONS[name](image, level)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), err_msg=f"{name} {level}")


@pytest.mark.parametrize("name", _operations.OPERATIONS)
def test_the_strongest_level_is_torchvision_s_too(name: str):
    from torchvision.transforms.v2 import RandAugment

    ladder = RandAugment(num_ops=1)._AUGMENTATION_SPACE[name][0](31, 100, 100)
    if ladder is None:
        return
    ends = [MAGNITUDES.get(name, lambda level, side: 0.9 * level)(level, 100) for level in (0.0, 1.0)]
    np.testing.assert_allclose(ends, [float(ladder[0]), float(ladder[-1])], rtol=1e-6)


def test_cutout_covers_squares_of_every_size_up_to_its_share():
    image = np.full((100, 100), 10, np.uint8)
    sides, places = [], np.zeros((100, 100))
    for number in range(400):
        covered = apply("strong", image, number, operations=0, cutout=0.5) == GRAY
        places += covered
        rows, columns = covered.any(axis=1).sum(), covered.any(axis=0).sum()
        assert covered.sum() == rows * columns
        sides.append(max(rows, columns))
    assert 45 < max(sides) <= 51
    assert min(sides) < 5
    assert (places > 0).all()


def test_no_cutout_of_size_zero():
    image = np.full((20, 20), 10, np.uint8)
    assert all((apply("strong", image, number, operations=0, cutout=0) == 10).all() for number in range(50))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 0}, "greater than 0"),
        ({"crop": 1.1}, "less than or equal to 1"),
        ({"operations": -1}, "greater than or equal to 0"),
        ({"cutout": 1.5}, "less than or equal to 1"),
        ({"cutout": -0.1}, "greater than or equal to 0"),
        ({"flips": True}, "did you mean 'flip'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Images(**settings)

"""Corrupted copies of test images: which rows they are, what is done to them, and that it never changes."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part, vary
from labelbench_ray.datasets import Source
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.datasets.shifts.corruptions import CORRUPTIONS, NOISE, SEVERITIES, corrupted
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.data_words import MOST_LINES, describe_source
from labelbench_ray.trial.parts import build
from tests.full_trials import DIGITS, make_home, make_store

SPLITS = [f"test_{name}_{severity}" for name in CORRUPTIONS for severity in SEVERITIES]


def opened(root: Path, **settings: object) -> Source:
    part = Part.of("corrupted", **({"dataset": "digits"} | settings))
    return plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(root)


def png(pixels_HWC: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC).save(buffer, "PNG")
    return buffer.getvalue()


def changed(payload: bytes, name: str) -> bytes:
    after = corrupted(payload, name, 1, "row")
    assert isinstance(after, bytes)
    return after


def pixels(payload: datasets.Payload) -> np.ndarray:
    assert isinstance(payload, bytes)
    return np.asarray(Image.open(io.BytesIO(payload)).convert("RGB"), np.float64)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Smooth waves of 48 x 64 pixels."""
    y_HW, x_HW = np.mgrid[:48, :64]
    return np.stack([127 + 90 * np.sin(x_HW / 5 + band) * np.cos(y_HW / 7) for band in range(3)], -1).astype(np.uint8)


def test_there_is_a_split_for_each_corruption_and_severity(tmp_path: Path):
    source, plain = (
        opened(tmp_path),
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="digits")).open(tmp_path),
    )
    assert list(source.splits) == ["pool", "validation", "test", *SPLITS]
    for name in datasets.SPLITS:
        assert source.splits[name].read(0, 9).row_ids == plain.splits[name].read(0, 9).row_ids
    assert source.classes == plain.classes


def test_each_has_every_test_row_once_and_never_a_row_of_the_pool(tmp_path: Path):
    source = opened(tmp_path, severities=[1, 3], max_rows=50)
    read = {name: split.read(0, len(split)) for name, split in source.splits.items()}
    pool = set(read["pool"].row_ids)
    for name in source.splits.keys() - set(datasets.SPLITS):
        assert [row_id.partition("#")[0] for row_id in read[name].row_ids] == read["test"].row_ids
        assert not {row_id.partition("#")[0] for row_id in read[name].row_ids} & pool
        np.testing.assert_array_equal(read[name].labels_B, read["test"].labels_B)
        np.testing.assert_array_equal(source.splits[name].labels(), read["test"].labels_B)
        assert all(one != other for one, other in zip(read[name].payloads, read["test"].payloads, strict=True))


def test_fewer_rows_are_corrupted_where_that_is_asked_for(tmp_path: Path):
    source = opened(tmp_path, rows=40)
    assert {len(source.splits[name]) for name in SPLITS} == {40}
    assert len(source.splits["test"]) == 360
    plain = source.splits["test_sample"].read(0, 40)
    assert set(plain.row_ids) < set(source.splits["test"].read(0, 360).row_ids)
    for name in ("test_blur_1", "test_jpeg_3"):
        some = source.splits[name].read(0, 40)
        assert [row_id.partition("#")[0] for row_id in some.row_ids] == plain.row_ids
        np.testing.assert_array_equal(some.labels_B, plain.labels_B)
    assert "test_sample" not in opened(tmp_path, rows=360).splits, "all test rows are corrupted"


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_changes_an_image_more_and_keeps_its_size(photo: np.ndarray, name: str):
    changes = []
    for severity in SEVERITIES:
        after = pixels(corrupted(png(photo), name, severity, "row"))
        assert after.shape == photo.shape
        changes.append(np.abs(after - photo).mean())
    assert 0 < changes[0] < changes[1] < changes[2]


def test_noise_has_the_standard_deviation_that_it_states_and_is_drawn_by_row_and_severity():
    gray = png(np.full((96, 96, 3), 128, np.uint8))
    for severity in (1, 2):  # at severity 3 levels are clipped
        drawn = pixels(corrupted(gray, "noise", severity, "row 1")) - 128
        error = NOISE[severity - 1] / np.sqrt(2 * drawn.size)
        assert abs(drawn.std() - NOISE[severity - 1]) < 4 * error
        assert abs(drawn.mean()) < 4 * NOISE[severity - 1] / np.sqrt(drawn.size)
    assert corrupted(gray, "noise", 1, "row 1") == corrupted(gray, "noise", 1, "row 1")
    assert corrupted(gray, "noise", 1, "row 1") != corrupted(gray, "noise", 1, "row 2")


def test_noise_is_the_same_on_every_machine():
    """Of the numbers alone: encoders of other versions of Pillow may write other bytes of PNG."""
    after = pixels(corrupted(png(np.full((8, 8, 3), 128, np.uint8)), "noise", 2, "digits/0001")).astype(np.uint8)
    assert hashlib.sha256(after.tobytes()).hexdigest()[:16] == "7b064cf316774e18"


def test_brightness_and_contrast_are_those_that_they_state(photo: np.ndarray):
    brighter = pixels(corrupted(png(photo), "brightness", 1, ""))
    np.testing.assert_array_equal(brighter, np.minimum(photo.astype(float) + 38, 255))
    flat = pixels(corrupted(png(photo), "contrast", 2, ""))
    assert flat.std() == pytest.approx(0.3 * photo.std(), rel=0.02)


def test_one_pixel_is_corrupted_as_well():
    for name in CORRUPTIONS:
        assert pixels(corrupted(png(np.full((1, 1, 3), 9, np.uint8)), name, 3, "")).shape == (1, 1, 3)


def test_what_is_not_an_image_stays_so_that_it_is_rejected_for_its_own_reason():
    assert corrupted(b"no image", "blur", 1, "row") == b"no image"


def exif(orientation: int) -> bytes:
    buffer, tags = io.BytesIO(), Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:24] = (220, 30, 30)
    Image.fromarray(halves).save(buffer, "JPEG", quality=95, exif=tags)
    return buffer.getvalue()


def deep_gray() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("payload", [exif(6), deep_gray()], ids=["turned by EXIF", "gray of 16 bits"])
@pytest.mark.parametrize("name", ["jpeg", "brightness", "blur"])
def test_an_image_is_corrupted_as_encoders_see_it(payload: bytes, name: str):
    """Decoded otherwise, turned images differ by 90 levels in half of their area, and deep gray is white."""
    seen = np.asarray(open_rgb(payload), np.float64)
    after = np.asarray(open_rgb(changed(payload, name)), np.float64)
    assert after.shape == seen.shape
    wanted = np.minimum(seen + 38, 255) if name == "brightness" else seen
    assert np.abs(after - wanted).mean() < 6


def damaged(row: int) -> bytes:
    """Images that are cut short, and images with a wrong byte, for which Pillow raises errors of several types."""
    rng = np.random.default_rng(row)
    whole = bytearray(png(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)))
    whole[rng.integers(33, len(whole))] = rng.integers(256)
    return bytes(whole[: rng.integers(60, len(whole))])


def test_a_damaged_image_stays_so_that_its_row_is_rejected_like_the_plain_one():
    rejected = 0
    for row in range(300):
        payload = damaged(row)
        try:
            open_rgb(payload)
        except ValueError:
            rejected += 1
            assert changed(payload, "noise") == payload
        else:  # only what comes after the pixels is cut off
            assert changed(payload, "noise") != payload
    assert rejected > 200


def test_an_image_that_cannot_be_corrupted_is_rejected():
    long = png(np.zeros((1, 65_510, 3), np.uint8))
    assert open_rgb(long).size == (65_510, 1)
    with pytest.raises(ValueError, match="no image that is whole"):
        open_rgb(changed(long, "jpeg"))


def test_the_plan_has_one_line_for_all_of_them(tmp_path: Path):
    lines = describe_source(opened(tmp_path))
    assert len(lines) < MOST_LINES
    assert any(line.startswith("test_noise_1, test_noise_2, test_noise_3, and 15 more: 360 rows") for line in lines)
    assert "18 splits of 360 corrupted test rows each, 6,480 rows in all" in lines


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"corruptions": ["fog"]}, "no corruption called 'fog'"),
        ({"corruptions": ["pixelat"]}, "did you mean 'pixelate'"),
        ({"corruptions": []}, "corruptions: "),
        ({"severities": [4]}, "4 is not a severity; there are 1, 2, 3"),
        ({"dataset": "banking77"}, "banking77 holds texts; only images are corrupted"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(settings: dict[str, object], states: str):
    with pytest.raises(ConfigError, match=states):
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("corrupted", **({"dataset": "digits"} | settings)))


def test_it_is_part_of_the_trial_s_identity():
    conditions = [{}, {"severities": [1]}, {"corruptions": ["jpeg"]}]
    trials = [vary(DIGITS, dataset=Part.of("corrupted", dataset="digits", **each)) for each in conditions]
    assert len({build(trial).fingerprint for trial in (DIGITS, *trials)}) == 4


def test_a_trial_is_measured_on_the_plain_rows_of_the_sample_too(tmp_path: Path):
    condition = Part.of("corrupted", dataset=DIGITS.dataset, corruptions=["noise"], severities=[1], rows=50)
    trial = vary(DIGITS, rounds=1, dataset=condition)
    make_store(trial, tmp_path / "store", tmp_path)
    (record,) = make_home(tmp_path, tmp_path / "store").run(trial)
    assert set(record.groups) == {"test_noise_1", "test_sample"}
    assert record.metrics["Test Noise 1 Accuracy"] <= record.metrics["Test Sample Accuracy"] + 0.02


def test_a_trial_is_measured_on_them_and_chooses_the_same_rows(tmp_path: Path):
    condition = Part.of("corrupted", dataset=DIGITS.dataset, corruptions=["noise", "contrast"], severities=[1, 3])
    records = {}
    for trial in (vary(DIGITS, rounds=2), vary(DIGITS, rounds=2, dataset=condition)):
        make_store(trial, tmp_path / "store", tmp_path)
        records[str(trial.dataset)] = make_home(tmp_path, tmp_path / "store").run(trial)
    plain, shifted = records.values()
    for one, other in zip(plain, shifted, strict=True):
        assert one.chosen == other.chosen
        assert one.metrics == {name: other.metrics[name] for name in one.metrics}
        assert set(other.groups) == {"test_noise_1", "test_noise_3", "test_contrast_1", "test_contrast_3"}
    last = shifted[-1].metrics
    assert last["Test Noise 3 Accuracy"] < last["Test Noise 1 Accuracy"] <= last["Test Accuracy"] + 0.02

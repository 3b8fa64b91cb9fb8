"""CIFAR-10-C's and ImageNet-C's layouts, on small generated copies."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets import Source
from labelbench_ray.errors import ConfigError, DataError, NotProvidedError

ROWS = 20
"""A severity of the copy; 10,000 in the published files."""


def build(name: str, **settings: object) -> datasets.Dataset:
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of(name, **settings))  # type: ignore[arg-type]


def encoded(seed: int, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    pixels_HWC = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    for split, rows in (("train", 40), ("test", ROWS)):
        path = tmp_path / "cifar10" / f"{split}.parquet"
        path.parent.mkdir(exist_ok=True)
        images = [encoded(row + (1000 if split == "test" else 0)) for row in range(rows)]
        pq.write_table(pa.table({"image": images, "label": [row % 10 for row in range(rows)]}), path)
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    for number, name in enumerate(("gaussian_noise", "fog")):
        # Every pixel of a row is its number: 100 rows, severity 1 first.
        pixels = np.arange(5 * ROWS, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 32, 32, 3), np.uint8)
        np.save(folder / f"{name}.npy", pixels + np.uint8(number))
    np.save(folder / "labels.npy", np.tile(np.arange(ROWS) % 10, 5).astype(np.uint8))
    return tmp_path


def opened_cifar(root: Path, **settings: object) -> Source:
    return build("cifar_c", **({"corruptions": ["gaussian_noise", "fog"]} | settings)).open(root)


def test_severities_of_cifar_are_blocks_of_rows_and_labels_are_shared(cifar: Path):
    source = opened_cifar(cifar, severities=[1, 5])
    names = [f"test_{name}_{severity}" for name in ("gaussian_noise", "fog") for severity in (1, 5)]
    assert list(source.splits) == ["pool", "validation", "test", *names]
    records = source.splits["test_fog_5"].read(3, 5)
    assert records.row_ids == ["fog/00000083", "fog/00000084"]
    assert records.labels_B.tolist() == [3, 4]
    shown = [np.asarray(Image.open(io.BytesIO(payload))) for payload in records.payloads]
    assert [image.shape for image in shown] == [(32, 32, 3)] * 2
    assert [int(image[0, 0, 0]) for image in shown] == [84, 85], "row 83 and 84, and 1 for fog"
    np.testing.assert_array_equal(source.splits["test_fog_5"].labels(), np.arange(ROWS) % 10)


def test_a_sample_of_each_has_the_same_rows(cifar: Path):
    source = opened_cifar(cifar, severities=[1, 2], rows=7)
    rows = [np.asarray(source.splits[f"test_fog_{severity}"].rows) for severity in (1, 2)]
    assert len(rows[0]) == 7
    np.testing.assert_array_equal(rows[0] + ROWS, rows[1])
    assert "4 splits of published corrupted rows, 28 rows in all" in source.findings.notes


def test_pool_validation_and_test_stay_as_they_are(cifar: Path):
    plain, source = build("cifar10").open(cifar), opened_cifar(cifar)
    for name in datasets.SPLITS:
        assert plain.splits[name].read(0, 5).row_ids == source.splits[name].read(0, 5).row_ids
    pool = set(source.splits["pool"].read(0, 40).payloads)
    for name in source.splits.keys() - set(datasets.SPLITS):
        assert not pool & set(source.splits[name].read(0, ROWS).payloads)


def test_changed_files_are_found(cifar: Path):
    first = opened_cifar(cifar).splits["test_fog_1"].table
    np.save(cifar / "CIFAR-10-C/labels.npy", np.zeros(5 * ROWS, np.uint8))
    _clear()
    again = opened_cifar(cifar).splits["test_fog_1"].table
    assert first.labels_hash() != again.labels_hash()  # type: ignore[attr-defined]


def _clear() -> None:
    """As a new process is."""
    from labelbench_ray.datasets import cifar_c

    cifar_c._arrays.cache_clear()


@pytest.mark.parametrize(
    ("file", "content", "states"),
    [
        ("fog.npy", b"not numpy", r"fog\.npy: .*; it is not the published file, get it again"),
        (
            "fog.npy",
            np.zeros((100, 32, 32), np.uint8),
            r"fog\.npy and labels\.npy: holds uint8 of shape \(100, 32, 32\)",
        ),
        ("fog.npy", np.zeros((90, 32, 32, 3), np.uint8), r"its labels are uint8 of shape \(100,\) for 90 images"),
        ("labels.npy", np.full(100, 10, np.uint8), r"row 0: the label 10 is not one of 10 classes"),
        (
            "labels.npy",
            np.array([None] * 100, object),
            r"labels\.npy: .*Python objects in dtype.*; it is not the published file",
        ),
    ],
)
def test_spoiled_files_of_cifar_are_refused(cifar: Path, file: str, content: object, states: str):
    path = cifar / "CIFAR-10-C" / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)  # type: ignore[arg-type]
    _clear()
    with pytest.raises(DataError, match=states):
        opened_cifar(cifar)


def test_rows_that_are_not_five_severities_are_refused(cifar: Path):
    np.save(cifar / "CIFAR-10-C/fog.npy", np.zeros((98, 32, 32, 3), np.uint8))
    np.save(cifar / "CIFAR-10-C/labels.npy", np.zeros(98, np.uint8))
    _clear()
    with pytest.raises(
        DataError, match=r"labels\.npy: 98 rows are not 5 severities of as many rows; get the published"
    ):
        opened_cifar(cifar, corruptions=["fog"])


def test_a_corruption_that_is_not_there_is_named(cifar: Path):
    with pytest.raises(NotProvidedError, match=r"snow\.npy is not there; put the published files"):
        opened_cifar(cifar, corruptions=["snow"])


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"severities": [6]}, "severities.*less than or equal to 5"),
        ({"corruptions": ["../fog"]}, "corruptions"),
        ({"corruptions": []}, "corruptions"),
    ],
)
def test_what_no_file_can_be_is_refused(settings: dict[str, object], states: str):
    with pytest.raises(ConfigError, match=states):
        build("cifar_c", **settings)


@pytest.fixture(params=["", "noise/"], ids=["flat", "in the archive's folder"])
def imagenet(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Two synsets; `validation` and `test` are of one folder `val`."""
    for number, synset in enumerate(("n01440764", "n02084071")):
        for row in range(8):
            for split in ("train", "val"):
                path = tmp_path / f"images/{split}/{synset}/{split}_{row}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(100 * number + row + (50 if split == "val" else 0), "JPEG"))
            for severity in range(1, 6):
                path = tmp_path / f"imagenet-c/{request.param}gaussian_noise/{severity}/{synset}/val_{row}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(1000 * severity + 100 * number + row, "JPEG"))
    return tmp_path


def opened_imagenet(root: Path, **settings: object) -> Source:
    folder = Part.of("image_folder", path="images")
    return build("imagenet_c", **({"dataset": folder, "corruptions": ["gaussian_noise"]} | settings)).open(root)


def test_class_folders_of_each_severity_are_the_data_set_s_classes(imagenet: Path):
    source = opened_imagenet(imagenet)
    assert list(source.splits)[3:] == [f"test_gaussian_noise_{severity}" for severity in (1, 3, 5)]
    split = source.splits["test_gaussian_noise_3"]
    records = split.read(0, 16)
    assert records.labels_B.tolist() == [0] * 8 + [1] * 8
    assert records.row_ids[9] == "3/n02084071/val_1.JPEG"
    assert records.payloads[9] == encoded(3101, "JPEG")


def test_a_synset_that_is_no_class_is_refused(imagenet: Path):
    (path,) = imagenet.rglob("imagenet-c/**/gaussian_noise/3/n02084071")
    path.rename(path.with_name("n09999999"))
    with pytest.raises(DataError, match=r"gaussian_noise/3/n09999999: no class called 'n09999999'"):
        opened_imagenet(imagenet)


def test_a_severity_or_corruption_that_is_not_there_is_named(imagenet: Path):
    with pytest.raises(NotProvidedError, match=r"imagenet-c/snow is not there; put <corruption>/<severity>/<synset>"):
        opened_imagenet(imagenet, corruptions=["snow"])
    (path,) = imagenet.rglob("imagenet-c/**/gaussian_noise/5")
    path.rename(path.with_name("6"))
    with pytest.raises(NotProvidedError, match="gaussian_noise/5 is not there"):
        opened_imagenet(imagenet)

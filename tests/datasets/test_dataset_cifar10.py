"""CIFAR-10 in its three forms, and the real files where they are."""

import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets.cifar10 import CLASSES
from labelbench_ray.datasets.files import cifar_batches
from labelbench_ray.errors import DataError, NotProvidedError

SHARED = Path(os.environ.get("LABELBENCH_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def build(**settings):
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("cifar10", **settings))


def write_batches(folder, monkeypatch, rows=4):
    """Batches as the authors published them, with made-up pixels, and their checksums passed to torchvision."""
    from torchvision.datasets import CIFAR10

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)

    def publish(name, content):
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name):
        pixels = rng.integers(0, 256, (rows, 3072), dtype=np.uint8)
        return [name, publish(name, {"data": pixels, "labels": rng.integers(0, 10, rows).tolist()})]

    monkeypatch.setattr(CIFAR10, "train_list", [batch(f"data_batch_{number}") for number in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch")])
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": publish("batches.meta", {"label_names": list(CLASSES)}),
    }
    monkeypatch.setattr(CIFAR10, "meta", meta)
    cifar_batches._batches.cache_clear()


def test_torchvision_s_own_files(tmp_path, monkeypatch):
    write_batches(tmp_path / "cifar10/cifar-10-batches-py", monkeypatch)
    source = build().open(tmp_path)
    assert source.classes == CLASSES
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [20, 2, 2]
    records = source.splits["pool"].read(3, 6)
    assert records.row_ids == ["train/00000003", "train/00000004", "train/00000005"]
    stored = pickle.loads((tmp_path / "cifar10/cifar-10-batches-py/data_batch_1").read_bytes())  # noqa: S301
    shown_HWC = np.asarray(Image.open(io.BytesIO(records.payloads[0])))
    np.testing.assert_array_equal(shown_HWC.transpose(2, 0, 1).ravel(), stored["data"][3])
    assert records.labels_B[0] == stored["labels"][3]


def test_a_batch_that_is_not_the_published_one_is_not_unpickled(tmp_path, monkeypatch):
    folder = tmp_path / "cifar10/cifar-10-batches-py"
    write_batches(folder, monkeypatch)
    (folder / "data_batch_2").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(DataError, match=r"cifar-10-batches-py: .*corrupted.*extract the published"):
        build().open(tmp_path)
    assert not (tmp_path / "sprung").exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_an_image_folder(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        for name in CLASSES:
            folder = tmp_path / "cifar10" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number:04d}.png").write_bytes(b"png")
    source = build().open(tmp_path)
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [30, 10, 10]
    assert source.splits["pool"].read(29, 30).row_ids == ["train/truck/0002.png"]
    (tmp_path / "cifar10/train/lorry").mkdir()
    with pytest.raises(DataError, match="no class called 'lorry'"):
        build().open(tmp_path)


def write_parquet(root, labels):
    (root / "cifar10").mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {"image": [b"jpeg"] * len(labels), "label": labels, "path": [f"train/{row}.jpg" for row in range(len(labels))]}
    )
    pq.write_table(table, root / "cifar10/train.parquet")
    pq.write_table(table, root / "cifar10/test.parquet")


@pytest.mark.parametrize("labels", [[0, 9, 3, 5], ["airplane", "truck", "cat", "dog"]])
def test_parquet_with_numbers_or_names(tmp_path, labels):
    write_parquet(tmp_path, labels)
    source = build().open(tmp_path)
    records = source.splits["pool"].read(0, 4)
    assert records.labels_B.tolist() == [0, 9, 3, 5]
    assert records.row_ids[1] == "train/1.jpg"
    assert source.classes == CLASSES


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 10, 2], "row 2: 10 is not a class"),
        ([0, -2], "row 1: -2 is not a class"),
        (["airplane", "plane"], "row 1: 'plane' is not a class"),
    ],
)
def test_labels_that_are_none_of_the_ten(tmp_path, labels, message):
    write_parquet(tmp_path, labels)
    with pytest.raises(DataError, match=message):
        build().open(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(NotProvidedError, match=r"cifar10/train\.parquet is not there; put .*cifar-10-batches-py"):
        build().open(tmp_path)


@pytest.mark.data
def test_the_real_files():
    if not (SHARED / "cifar10").is_dir():
        pytest.skip(f"no data in {SHARED}")
    source = build().open(SHARED)
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [50_000, 5_000, 5_000]
    order = np.random.RandomState(42).permutation(10_000)
    assert source.splits["validation"].rows.tolist() == sorted(order[:5_000])
    records = source.splits["validation"].read(100, 200)
    assert all(f"/{CLASSES[label]}/" in row_id for row_id, label in zip(records.row_ids, records.labels_B, strict=True))
    assert Image.open(io.BytesIO(records.payloads[0])).size == (32, 32)

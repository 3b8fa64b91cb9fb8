"""Pairs of CIFAR-10 images: each image once, two classes a pair, both halves in the picture."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets.cifar10_pairs import paired

ROWS = 40


def solid(color: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (color, color, color)).save(buffer, format="PNG")
    return buffer.getvalue()


def write(root: Path, damaged: int | None = None) -> None:
    """Images whose gray value is their number, ten classes in turn; labels are the number modulo 10."""
    (root / "cifar10").mkdir(parents=True)
    for part in ("train", "test"):
        images = [b"no image" if row == damaged else solid(row) for row in range(ROWS)]
        table = pa.table(
            {
                "image": images,
                "label": [row % 10 for row in range(ROWS)],
                "path": [f"{part}/{row}" for row in range(ROWS)],
            }
        )
        pq.write_table(table, root / f"cifar10/{part}.parquet")


def build(**settings):
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("cifar10_pairs", **settings))


def test_each_image_is_in_one_pair_beside_one_of_another_class(tmp_path):
    write(tmp_path)
    source = build().open(tmp_path)
    assert source.task.kinds() == ("multi_label",)
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [20, 10, 10]
    records = source.splits["pool"].read(0, 20)
    numbers = [[int(name.removeprefix("train/")) for name in row_id.split("+")] for row_id in records.row_ids]
    assert sorted(np.ravel(numbers)) == list(range(ROWS))
    for pair, payload, label in zip(numbers, records.payloads, records.labels_B, strict=True):
        assert np.flatnonzero(label == 1).tolist() == sorted(number % 10 for number in pair)
        pixels = np.asarray(Image.open(io.BytesIO(payload)))
        assert pixels.shape == (32, 64, 3)
        assert [pixels[0, 0, 0], pixels[0, 40, 0]] == pair
    np.testing.assert_array_equal(source.splits["pool"].labels(), records.labels_B)


def test_the_pairs_are_always_the_same_and_a_sample_keeps_them(tmp_path):
    write(tmp_path)
    every, again, some = (build(**settings).open(tmp_path) for settings in ({}, {}, {"max_rows": 5}))
    ids = every.splits["pool"].read(0, 20).row_ids
    assert again.splits["pool"].read(0, 20).row_ids == ids
    assert again.signature == every.signature
    assert set(some.splits["pool"].read(0, 5).row_ids) < set(ids)


def test_a_changed_label_changes_the_signature(tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "two")
    path = tmp_path / "two/cifar10/train.parquet"
    table = pq.read_table(path)
    labels = table["label"].to_pylist()
    pq.write_table(table.set_column(1, "label", [[(labels[0] + 1) % 10, *labels[1:]]]), path)
    one, two = (build().open(tmp_path / name) for name in ("one", "two"))
    assert one.signature != two.signature


def test_a_pair_with_a_damaged_image_cannot_be_decoded(tmp_path):
    write(tmp_path, damaged=7)
    records = build().open(tmp_path).splits["pool"].read(0, 20)
    payloads = dict(zip(records.row_ids, records.payloads, strict=True))
    assert [payload for name, payload in payloads.items() if "train/7" in name.split("+")] == [b""]


def test_rows_of_one_class_are_paired_all_the_same():
    left, right = paired(np.zeros(7, np.int64))
    assert len(left) == len(right) == 3
    assert len(set(left) | set(right)) == 6


def test_many_rows_have_no_pair_of_one_class():
    labels = np.random.default_rng(0).integers(0, 10, 5000)
    left, right = paired(labels)
    assert len(set(left) | set(right)) == 5000
    assert (labels[left] != labels[right]).all()

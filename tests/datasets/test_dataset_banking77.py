"""Banking77: names of intents from their own column, and the real files where they are."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.errors import DataError, NotProvidedError

SHARED = Path(os.environ.get("LABELBENCH_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def build():
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("banking77"))


def write(root, part, **columns):
    (root / "banking77").mkdir(exist_ok=True)
    content = {"text": ["lost", "late", "rate", "lost"], "label": [1, 0, 2, 1], "label_name": ["b", "a", "c", "b"]}
    kept = {name: values for name, values in (content | columns).items() if values is not None}
    pq.write_table(pa.table(kept), root / f"banking77/{part}.parquet")


def test_a_small_one(tmp_path):
    write(tmp_path, "train")
    write(tmp_path, "test")
    source = build().open(tmp_path)
    assert source.classes == ("a", "b", "c")
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [4, 2, 2]
    records = source.splits["pool"].read(0, 2)
    assert (records.payloads, records.labels_B.tolist()) == (["lost", "late"], [1, 0])
    assert records.row_ids == ["train/00000000", "train/00000001"]
    assert build().modality() == "text"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": None}, r"train\.parquet: no column called 'text'"),
        ({"label_name": ["b", "a", "c", "x"]}, "1 goes with both 'b' and 'x'"),
        ({"label_name": ["b", "a", "b", "b"]}, "'b' goes with both 1 and 2"),
        ({"label": [0, 0, 0, 0], "label_name": None}, "1 classes"),
    ],
)
def test_bad_files(tmp_path, columns, message):
    write(tmp_path, "train", **columns)
    write(tmp_path, "test", **columns)
    with pytest.raises(DataError, match=message):
        build().open(tmp_path)


def test_an_intent_that_training_does_not_know(tmp_path):
    write(tmp_path, "train")
    write(tmp_path, "test", label=[0, 1, 2, 76])
    with pytest.raises(DataError, match=r"test\.parquet, column 'label', row 3: 76 is not a class"):
        build().open(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(NotProvidedError, match=r"banking77/train\.parquet is not there"):
        build().open(tmp_path)
    write(tmp_path, "train")
    with pytest.raises(NotProvidedError, match=r"banking77/test\.parquet is not there"):
        build().open(tmp_path)


@pytest.mark.data
def test_the_real_files():
    if not (SHARED / "banking77").is_dir():
        pytest.skip(f"no data in {SHARED}")
    source = build().open(SHARED)
    assert len(source.classes) == 77
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [10_003, 1_540, 1_540]
    records = source.splits["pool"].read(0, 10_003)
    assert np.bincount(records.labels_B, minlength=77).min() > 0
    assert len(set(records.row_ids)) == 10_003
    assert all(isinstance(payload, str) for payload in records.payloads)

"""Rows without labels: what counts as none, and what a plan states of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from labelbench_ray import plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets import PACKAGE, UNLABELED, Dataset
from labelbench_ray.datasets.parquet_columns.labels import LabelEncoding, label_encoding, named_label_encoding
from labelbench_ray.errors import DataError, NotProvidedError
from labelbench_ray.planning.data_words import describe_source
from tests.samples import write_images


@pytest.mark.parametrize(
    ("column", "classes", "expected"),
    [
        (["b", None, "a"], None, [1, UNLABELED, 0]),
        (["b", None, "a"], ("b", "a"), [0, UNLABELED, 1]),
        ([1, None, 0], ("no", "yes"), [1, UNLABELED, 0]),
        ([1, -1, 0], ("no", "yes"), [1, UNLABELED, 0]),
        ([1.0, float("nan"), 0.0], ("no", "yes"), [1, UNLABELED, 0]),
        ([1.0, None, 0.0], None, [1, UNLABELED, 0]),
        ([None, None, None], ("no", "yes"), [UNLABELED] * 3),
        ([-1, -1, -1], ("no", "yes"), [UNLABELED] * 3),
        ([1, -1, 1], None, [1, 0, 1]),
        ([5, -1, None], None, [1, 0, UNLABELED]),
    ],
)
def test_which_values_are_no_label(column, classes, expected):
    encoding = label_encoding(pa.chunked_array([pa.array(column)]), "here", classes)
    assert encoding.encode(pa.chunked_array([pa.array(column)]), "here").tolist() == expected


def test_minus_one_is_a_class_where_the_labels_are_the_classes():
    assert label_encoding(pa.chunked_array([pa.array([-1, 1])]), "here", None).classes == ("-1", "1")


def test_a_label_that_is_no_class_is_named_beside_rows_without_one():
    with pytest.raises(DataError, match=r"here, row 2: 'c' is not a class"):
        LabelEncoding(("a", "b"), ("a", "b")).encode(pa.chunked_array([pa.array([None, "a", "c"])]), "here")


@pytest.mark.parametrize("column", [[0.5, None], [0.5, 1.0], [1.0, 2.0]])
def test_floats_are_whole_numbers_beside_gaps_or_an_error(column):
    with pytest.raises(DataError, match="labels are double"):
        label_encoding(pa.chunked_array([pa.array(column)]), "here", ("no", "yes"))


def test_names_of_classes_in_a_second_column_with_gaps():
    labels, names = (pa.chunked_array([pa.array(each)]) for each in ([1, None, 0], ["b", None, "a"]))
    assert named_label_encoding(labels, names, "here").classes == ("a", "b")
    with pytest.raises(DataError, match="row 0: the label 1 has no name"):
        named_label_encoding(labels, pa.chunked_array([pa.array([None, None, "a"])]), "here")


def images(folder: Path, **settings) -> Dataset:
    for number, name in enumerate(("a.png", "2024/b.png", "2024/june/c.PNG", "2025/d.png")):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_images(folder / "made", {"x": 1})
        path.write_bytes(next((folder / "made").rglob("*.png")).read_bytes() + bytes(number))
    (folder / "photos" / "notes.txt").write_text("not an image")
    (folder / "photos" / ".hidden.png").write_text("hidden")
    part = Part.of("unlabeled_images", **{"path": "photos", "classes": ["dark", "light"], **settings})
    return plugins.build(Dataset, PACKAGE, part)


def test_every_image_below_a_folder_is_a_row_without_a_label(tmp_path):
    source = images(tmp_path).open(tmp_path)
    pool = source.splits["pool"]
    records = pool.read(0, 4)
    assert records.row_ids == ["photos/2024/b.png", "photos/2024/june/c.PNG", "photos/2025/d.png", "photos/a.png"]
    assert records.labels_B.tolist() == pool.labels().tolist() == [UNLABELED] * 4
    locations = pool.table.locations(np.arange(4))
    assert [Path(path).read_bytes() for path in locations] == list(records.payloads)
    assert [len(source.splits[name]) for name in ("validation", "test")] == [0, 0]
    assert source.classes == ("dark", "light")
    words = describe_source(source)
    assert words[0] == "pool: 4 rows, none has a label, 4 files of photos/; 2 classes"
    assert any(".txt (1 file)" in line for line in words)


def test_a_labeled_folder_beside_it_steers_and_measures(tmp_path):
    write_images(tmp_path, {"labeled": 10})
    source = images(tmp_path, test="labeled").open(tmp_path)
    assert [len(source.splits[name]) for name in ("pool", "validation", "test")] == [4, 5, 5]
    assert set(source.splits["test"].labels().tolist()) <= {0, 1}
    assert images(tmp_path).open(tmp_path).signature != source.signature


def test_folders_that_are_not_there_or_hold_no_image_are_named(tmp_path):
    with pytest.raises(NotProvidedError, match="nowhere is not there; put images there"):
        images(tmp_path, path="nowhere").open(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no images in it"):
        images(tmp_path, path="empty").open(tmp_path)
    with pytest.raises(DataError, match=r"a\.png: a file; name the folder"):
        images(tmp_path, path="photos/a.png").open(tmp_path)

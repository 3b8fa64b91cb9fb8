"""Parquet with several labels a row: names and numbers, unknown entries, null lists, and what is refused by row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.planning.data_words import describe_source

SETTINGS = {"path": "scenes", "payload": "text", "label_list": "tags"}


def write(root: Path, tags: object, unknown: object = None, rows: int = 4) -> None:
    """The same rows in `train`, `validation` and `test`."""
    (root / "scenes").mkdir(exist_ok=True)
    columns = {"text": [f"text {row}" for row in range(rows)], "tags": tags}
    for split in ("train", "validation", "test"):
        pq.write_table(
            pa.table(columns | ({} if unknown is None else {"difficult": unknown})), root / f"scenes/{split}.parquet"
        )


def opened(root: Path, **settings: object) -> datasets.Source:
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("parquet", **SETTINGS, **settings)).open(root)


def test_lists_of_names(tmp_path):
    write(tmp_path, [["dog", "cat"], [], ["bus"], ["cat", "cat"]])
    source = opened(tmp_path)
    assert source.classes == ("bus", "cat", "dog")
    assert source.task.kinds() == ("multi_label",)
    expected = [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    records = source.splits["pool"].read(0, 4)
    assert records.labels_B.tolist() == expected
    assert records.labels_B.dtype == np.int8
    assert source.splits["pool"].labels().tolist() == expected
    assert source.splits["test"].read(2, 3).labels_B.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("kind", [pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.list_(pa.int8(), 2)])
def test_lists_of_numbers(tmp_path, kind):
    write(tmp_path, pa.array([[0, 2], [2, 0], [5, 0], [2, 2]], kind))
    assert opened(tmp_path).classes == ("0", "2", "5")
    source = opened(tmp_path, classes=["a", "b", "c", "d", "e", "f"])
    assert source.splits["pool"].labels().tolist()[2] == [1, 0, 0, 0, 0, 1]


def test_dictionary_encoded_names(tmp_path):
    words = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 0]), pa.array(["dog", "cat"]))
    write(tmp_path, pa.ListArray.from_arrays(pa.array([0, 2, 3, 3, 4], pa.int32()), words))
    assert opened(tmp_path).splits["pool"].labels().tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]


def test_unknown_entries_stand_in_a_second_column_and_what_is_in_both_is_there(tmp_path):
    write(tmp_path, [["dog"], [], ["cat"], None], [["cat"], None, ["cat", "dog"], ["cat"]])
    source = opened(tmp_path, unknown_list="difficult")
    assert source.classes == ("cat", "dog")
    assert source.splits["pool"].labels().tolist() == [[-1, 1], [0, 0], [1, -1], [-1, -1]]


def test_a_class_that_is_only_ever_unknown_is_a_class(tmp_path):
    write(tmp_path, [["dog"], [], ["cat"], []], [[], [], [], ["zebra"]])
    assert opened(tmp_path, unknown_list="difficult").classes == ("cat", "dog", "zebra")


def test_rows_are_counted_for_every_class_that_they_have(tmp_path):
    write(tmp_path, [["dog", "cat"], [], ["dog"], ["dog"]], [["cat"], ["bus"], [], []])
    lines = describe_source(opened(tmp_path, unknown_list="difficult"))
    assert lines[0] == "pool: 4 rows, 2 of 3 classes, train.parquet; largest dog (3), smallest bus (0); no row of bus"


@pytest.mark.parametrize(
    ("tags", "settings", "message"),
    [
        (
            [["dog"], [], ["cat", "dgo"], []],
            {"classes": ["cat", "dog"]},
            "row 2: 'dgo' is not a class .*'cat', 'dog'",
        ),
        ([["dog"], ["cat", None], [], []], {}, "column 'tags', row 1: the list holds null; name its class"),
        (["dog", "cat", "dog", "cat"], {}, "column 'tags': holds string; lists of class names or numbers are needed"),
        ([[0.5], [], [], []], {}, "column 'tags': labels are double; labels must be int or string"),
        ([["dog"], [], [], []], {}, r"1 classes \(dog\); at least 2 are needed"),
        ([[], [], [], []], {}, r"0 classes \(\); at least 2 are needed"),
        ([["dog"], [], [], []], {"unknown_list": "difficlt"}, "no column called 'difficlt'"),
    ],
)
def test_what_no_label_can_be_is_refused_by_its_row(tmp_path, tags, settings, message):
    write(tmp_path, tags, [[], [], [], []])
    with pytest.raises(DataError, match=message):
        opened(tmp_path, **settings)


def test_names_and_numbers_are_not_mixed(tmp_path):
    write(tmp_path, [["dog"], ["cat"], [], []], [[1], [], [], []])
    with pytest.raises(DataError, match="its lists hold string, those of unknown classes int64; use one"):
        opened(tmp_path, unknown_list="difficult")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_list": None, "unknown_list": "difficult"}, "unknown_list='difficult' is for rows with several labels"),
        (
            {"label_list": "tags", "label_name": "names"},
            "label_name names the classes of one int label a row; use",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    part = Part.of("parquet", **{**SETTINGS, **settings})
    with pytest.raises(ConfigError, match=message):
        plugins.build(datasets.Dataset, datasets.PACKAGE, part)


def test_the_new_settings_are_in_the_recipe_only_when_they_are_given():
    one, several = (
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("parquet", path="p", payload="text", **settings))
        for settings in ({}, {"label_list": "tags"})
    )
    assert (one.task, several.task) == ("single_label", "multi_label")
    assert {"label_list", "unknown_list"}.isdisjoint(plugins.recipe("parquet", one)["settings"])
    assert plugins.recipe("parquet", several)["settings"]["label_list"] == "tags"


def test_a_changed_entry_changes_the_signature(tmp_path):
    write(tmp_path, [["dog"], ["cat"], [], []])
    before = opened(tmp_path).signature
    write(tmp_path, [["cat"], ["dog"], [], []])
    assert opened(tmp_path).signature != before

"""Rows of CSV and JSON lines: quotes as `csv` reads them, empty cells, and paths of files."""

import csv
import io
import json
import os
import random

import pytest

from labelbench_ray.datasets import UNLABELED
from labelbench_ray.datasets.files.places import locate
from labelbench_ray.datasets.tables import Tables
from labelbench_ray.errors import DataError
from labelbench_ray.planning.data_words import describe_source
from tests.datasets.row_samples import PNG, parquet
from tests.datasets.test_found_folders import sizes
from tests.datasets.test_tables import every, images, texts, write


@pytest.mark.parametrize("separator", [",", "\t"])
def test_quotes_are_refused_as_python_s_csv_refuses_them(tmp_path, separator):
    draw, refused = random.Random(0), 0
    for number in range(300):
        cells = "".join(draw.choice(['"', '""', "a", separator, "\n"]) for _ in range(draw.randrange(1, 9)))
        text = f"row_id{separator}text{separator}label\n{cells}\n"
        write(tmp_path / f"{number}/in/train.csv", text)
        try:
            list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
            wrong = False
        except csv.Error:
            wrong = True
        message = ""
        try:
            texts().open(tmp_path / f"{number}")
        except DataError as error:
            message = str(error)
        assert ("the quote at the start of" in message) == wrong, text
        refused += wrong
    assert 50 < refused < 250


def test_an_empty_label_is_none_also_where_a_program_quotes_every_cell(tmp_path):
    with io.StringIO(newline="") as file:
        rows = [("id", "text", "label"), ("1", "a", ""), ("2", "b", "x"), ("3", "c", "y")]
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
        write(tmp_path / "in/train.csv", file.getvalue())
    source = texts().open(tmp_path)
    assert source.classes == ("x", "y")
    assert every(source).labels_B.tolist() == [UNLABELED, 0, 1]


def test_an_empty_text_of_json_lines_is_none_as_an_empty_cell_of_a_csv_is(tmp_path):
    rows = [("1", "a", ""), ("2", "b", "x"), ("3", "c", "y"), ("4", "", "x")]
    write(
        tmp_path / "in/train.jsonl",
        "".join(json.dumps(dict(zip(("id", "text", "label"), row, strict=True))) + "\n" for row in rows),
    )
    write(tmp_path / "csv/train.csv", "id,text,label\n" + "".join(",".join(row) + "\n" for row in rows))
    for source in (texts().open(tmp_path), Tables(path="csv", payload="text").open(tmp_path)):
        assert source.classes == ("x", "y")
        pool = every(source)
        assert pool.labels_B.tolist() == [UNLABELED, 0, 1, 0]
        assert pool.payloads[3] == b""


def test_columns_of_lists_that_hold_no_labels_are_left_alone(tmp_path):
    rows = "".join(
        f'{{"text": "{n}", "label": "{"xy"[n % 2]}", "spans": [[0, {n}]], "more": [null, {{"a": 1}}]}}\n'
        for n in range(9)
    )
    write(tmp_path / "in/train.jsonl", rows)
    assert texts().open(tmp_path).classes == ("x", "y")


def test_a_path_with_a_step_back_is_read_where_it_was_found(tmp_path):
    write(tmp_path / "in/labels.csv", "path,label\n" + "".join(f"sub/../{n}.png,{'xy'[n % 2]}\n" for n in range(6)))
    for number in range(6):
        write(tmp_path / f"in/{number}.png", PNG)
    assert set(every(images().open(tmp_path)).payloads) == {PNG}


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    write(tmp_path / "in/train.csv", "id,text,label\n1,a,x\n2,b,y\n")
    (tmp_path / "in/secret").mkdir()
    scan = os.scandir

    def refusing(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)  # the permissions of a folder do not hold for every user
    with pytest.raises(
        DataError, match=r"in/secret: the folder cannot be listed \(Permission denied\); .* chmod u\+rx"
    ):
        locate(tmp_path, "in").listing(recursive=True)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_labels_of_a_test_split_are_used_where_train_has_none(tmp_path, suffix):
    if suffix == "csv":
        write(tmp_path / "in/train.csv", "id,text\n1,a\n2,b\n")
        write(tmp_path / "in/test.csv", "id,text,label\n3,c,x\n4,d,y\n5,e,x\n6,f,y\n")
    else:
        write(tmp_path / "in/train.parquet", parquet({"text": ["a", "b"]}))
        write(tmp_path / "in/test.parquet", parquet({"text": [*"cdef"], "label": [0, 1, 0, 1]}))
    source = texts(classes=["x", "y"]).open(tmp_path)
    assert sizes(source) == {"pool": 2, "validation": 2, "test": 2}
    held_out = [every(source, split) for split in ("validation", "test")]
    found = {payload: label for each in held_out for payload, label in zip(each.payloads, each.labels_B, strict=True)}
    assert found == {"c": 0, "d": 1, "e": 0, "f": 1}
    assert every(source).labels_B.tolist() == [UNLABELED, UNLABELED]
    notes = describe_source(source)
    assert "labels: column 'label' (by its name), in test; train has no column of labels" in notes
    assert "without labels" not in notes

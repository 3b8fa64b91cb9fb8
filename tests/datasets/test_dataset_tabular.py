"""Tables of numbers and categories: roles are inferred and stated, settings change them, and what is wrong is named."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.datasets import PACKAGE as DATASETS
from labelbench_ray.datasets import Dataset, Modality, Records, Split
from labelbench_ray.datasets.table_columns import payloads, row_values, split_columns
from labelbench_ray.datasets.tabular import Tabular
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.plugins import Part, build
from tests.tables import people, write_people


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_roles_are_inferred_and_stated(tmp_path: Path, suffix: str):
    write_people(tmp_path / "people", suffix)
    dataset = Tabular(path="people")
    source = dataset.open(tmp_path)
    assert dataset.modality() is Modality.TABLE
    assert source.classes == ("owes", "pays")
    assert sum(map(len, source.splits.values())) == 200
    assert source.findings.notes[1:] == (
        "2 numeric columns: age, income",
        "1 categorical column: job",
        "column 'remark' is left out: 200 different texts in 200 rows, so ids or free text; `categorical` may name it",
        "column 'country' is left out: it has the value 'here' in every row",
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_are_json_objects_of_their_columns(tmp_path: Path, suffix: str):
    write_people(tmp_path / "people", suffix)
    pool = Tabular(path="people").open(tmp_path).splits["pool"]
    table = people()
    given = {row["id"]: row for row in table.to_pylist()}
    records = pool.read(0, len(pool))
    for row_id, payload in zip(records.row_ids, records.payloads, strict=True):
        row = given[row_id]
        assert json.loads(payload) == {name: row[name] for name in ("age", "income", "job")}
    assert split_columns(pool).equals(split_columns(Split(Payloads(records), range(len(pool)))))


class Payloads:
    """A table that knows its rows as payloads alone, as a user's own may."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records.row_ids)

    def read(self, rows):
        return Records(
            [self.records.row_ids[row] for row in rows],
            [self.records.payloads[row] for row in rows],
            self.records.labels_B[rows.start : rows.stop],
        )


def test_csv_and_parquet_of_the_same_rows_have_the_same_payloads(tmp_path: Path):
    write_people(tmp_path / "one", ".csv")
    write_people(tmp_path / "two", ".parquet")
    read = [Tabular(path=path).open(tmp_path).splits["pool"].read(0, 200) for path in ("one", "two")]
    assert list(read[0].payloads) == list(read[1].payloads)
    assert read[0].row_ids == read[1].row_ids


def test_settings_change_the_roles(tmp_path: Path):
    write_people(tmp_path / "people")
    source = Tabular(path="people", categorical=("age", "remark"), ignore=("income",)).open(tmp_path)
    notes = source.findings.notes
    assert "0 numeric columns" in notes
    assert "3 categorical columns: age, job, remark" in notes
    assert "column 'income' is left out: named in `ignore`" in notes
    row = json.loads(source.splits["pool"].read(0, 1).payloads[0])
    assert isinstance(row["age"], str | None)
    assert source.signature != Tabular(path="people").open(tmp_path).signature


def test_types_of_parquet_decide(tmp_path: Path):
    columns = {
        "small": pa.array([1, 2, 3, 4] * 5, pa.int8()),
        "truth": pa.array([True, False] * 10),
        "kind": pa.array(["a", "b"] * 10).dictionary_encode(),
        "when": pa.array(range(20), pa.timestamp("s")),
        "list": pa.array([[1]] * 20),
        "empty": pa.nulls(20, pa.float64()),
        "y": ["u", "v"] * 10,
    }
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    notes = Tabular(path="train.parquet").open(tmp_path).findings.notes
    assert "1 numeric column: small" in notes
    assert "2 categorical columns: truth, kind" in notes
    assert "column 'when' is left out: it holds timestamp[ms], which is neither a number nor a category" in notes
    assert any(note.startswith("column 'list' is left out: it holds list<") for note in notes)
    assert "column 'empty' is left out: it has no value in any row" in notes


def test_numbers_to_predict(tmp_path: Path):
    write_people(tmp_path / "people")
    source = Tabular(path="people", label_value="income", ignore=("class",)).open(tmp_path)
    assert source.task.primary != "Accuracy"
    assert "1 numeric column: age" in source.findings.notes
    with pytest.raises(ConfigError, match="is a column of numbers; leave out"):
        build(Dataset, DATASETS, Part.of("tabular", path="people", label_value="income", label="class"))


def rows(**changed: str) -> bytes:
    lines = {row: f"{20 + row},{'ab'[row % 2]},{'xy'[row % 2]}" for row in range(20)}
    return "\n".join(["age,job,class", *(changed.get(f"r{row}", line) for row, line in lines.items())]).encode()


@pytest.mark.parametrize(
    ("files", "settings", "message"),
    [
        ({"train.csv": b"age,job\n1,a\n2,b\n"}, {}, r"no column could hold the labels \(columns: age, job\); name"),
        ({"train.csv": b"y,class,age\nu,a,1\nv,b,2\n"}, {}, "columns 'class' and 'y' could hold the labels"),
        ({"train.csv": rows()}, {"label": "clas"}, r"no column called 'clas'; did you mean 'class'\?"),
        ({"train.csv": rows()}, {"numeric": ("ag",)}, r"no column called 'ag'; did you mean 'age'\?"),
        ({"train.csv": rows()}, {"numeric": ("age",), "ignore": ("age",)}, "column 'age' is named twice in numeric"),
        ({"train.csv": rows()}, {"numeric": ("job",)}, r"column 'job', row 0: 'a' is not a finite number; fix"),
        ({"train.csv": rows(), "test.csv": rows(r3="old,a,x")}, {}, r"test\.csv, column 'age', row 3: 'old' is not a"),
        ({"train.csv": rows(r3="inf,a,x")}, {"numeric": ("age",)}, "column 'age', row 3: 'inf' is not a finite number"),
        ({"train.csv": rows(), "test.csv": b"age,class\n1,x\n2,y\n"}, {}, "no column called 'job'"),
        ({"train.csv": rows(), "test.csv": rows(r3="20,a,z")}, {}, "'z'"),
        ({"train.csv": rows(), "test.csv": rows(r3="20,a,")}, {}, "has no label|without a label|no label"),
        ({"train.csv": b"only,class\nsame,x\nsame,y\n"}, {}, r"no column to embed is left \(only\); add one"),
    ],
    ids=["no label", "two labels", "label", "numeric", "twice", "text", "test", "inf", "lost", "class", "bare", "-"],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, bytes], settings: dict[str, object], message: str):
    (tmp_path / "in").mkdir()
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    with pytest.raises((DataError, ConfigError), match=message) as caught:
        Tabular(path="in", **settings).open(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("no json", "payload is not JSON"),
        ("[1, 2]", "payload is list, a row of a table is a JSON object of its columns"),
        ('{"a": [1]}', "column 'a' holds list; numbers, texts and null are columns"),
        ('{"a": true}', "column 'a' holds bool"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ('{"a": 1' + "0" * 400 + "}", "too large for a float"),
    ],
)
def test_a_payload_that_is_no_row_is_refused(payload: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        row_values(payload)


def test_payloads_keep_whole_numbers_and_other_scripts():
    table = pa.table({"n": [1.0, 2.5, None], "t": ["ü", None, 'a"b']})
    assert payloads(table) == ['{"n": 1, "t": "ü"}', '{"n": 2.5, "t": null}', '{"n": null, "t": "a\\"b"}']

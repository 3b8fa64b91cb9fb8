"""Parquet sources: what is read, how it is split, and what bad files get."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets.files.places import locate
from labelbench_ray.datasets.parquet_columns.parquet_files import open_files
from labelbench_ray.errors import ConfigError, DataError, NotProvidedError


def build(name="parquet", **settings):
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of(name, **settings))


def write(path, count=20, row_group_size=6, /, **columns):
    """A file of texts `t0`, `t1`, ... with labels 0, 1, 2 in turn; `columns` replace or add, None leaves out."""
    content = {"text": [f"t{row}" for row in range(count)], "label": [row % 3 for row in range(count)]} | columns
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({name: values for name, values in content.items() if values is not None}),
        path,
        row_group_size=row_group_size,
    )


def texts(**settings):
    return build(**{"path": "here", "payload": "text"} | settings)


def test_train_alone_is_cut_80_10_10(tmp_path):
    write(tmp_path / "here/train.parquet", 50)
    splits = texts().open(tmp_path).splits
    assert {name: len(split) for name, split in splits.items()} == {"pool": 40, "validation": 5, "test": 5}
    ids = [row_id for split in splits.values() for row_id in split.read(0, 50).row_ids]
    assert sorted(ids) == [f"train/{row:08d}" for row in range(50)]
    order = np.random.RandomState(42).permutation(50)
    assert splits["test"].rows.tolist() == sorted(order[45:])


def test_test_alone_is_halved(tmp_path):
    write(tmp_path / "here/train.parquet")
    write(tmp_path / "here/test.parquet", 10)
    splits = texts().open(tmp_path).splits
    order = np.random.RandomState(42).permutation(10)
    assert splits["validation"].rows.tolist() == sorted(order[:5])
    assert splits["test"].rows.tolist() == sorted(order[5:])


def test_three_files_are_three_splits(tmp_path):
    for part, count in (("train", 20), ("validation", 7), ("test", 9)):
        write(tmp_path / f"here/{part}.parquet", count)
    splits = texts().open(tmp_path).splits
    assert [len(splits[name]) for name in datasets.SPLITS] == [20, 7, 9]
    records = splits["validation"].read(2, 5)
    assert records.payloads == ["t2", "t3", "t4"]
    assert records.row_ids == [f"validation/{row:08d}" for row in (2, 3, 4)]
    assert records.labels_B.tolist() == [2, 0, 1]


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.integers(0, 29), max_size=40), group=st.integers(1, 31))
def test_any_rows_in_any_order(tmp_path_factory, rows, group):
    """From two files, whatever their row groups."""
    root = tmp_path_factory.mktemp("rows")
    write(root / "here/a.parquet", 17, group)
    write(root / "here/b/c.parquet", 13, 3, text=[f"t{17 + row}" for row in range(13)])
    table = open_files(locate(root, "here"), "files").rows(np.array(rows, dtype=np.int64), ["text"])
    assert table["text"].to_pylist() == [f"t{row}" for row in rows]


def test_a_folder_of_files_numbers_rows_by_file(tmp_path):
    write(tmp_path / "here/train/a.parquet", 4)
    write(tmp_path / "here/train/b.parquet", 26)
    split = texts(train="train").open(tmp_path).splits["pool"]
    ids = split.read(0, len(split)).row_ids
    assert set(ids) <= {f"train/a/{row:08d}" for row in range(4)} | {f"train/b/{row:08d}" for row in range(26)}
    assert len(set(ids)) == 24


def test_only_needed_row_groups_and_columns_are_decoded(tmp_path, monkeypatch):
    write(tmp_path / "here/train.parquet", 30, 5, heavy=["x" * 1000] * 30)
    split = texts().open(tmp_path).splits["pool"]
    asked = []
    original = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_groups",
        lambda self, groups, columns, **more: (
            asked.append((groups, columns)) or original(self, groups, columns=columns, **more)
        ),
    )
    split.table.read(range(6, 12))
    assert asked == [([1, 2], ["text", "label"])]


def test_strings_are_sorted_classes_and_given_classes_fix_the_order(tmp_path):
    write(tmp_path / "here/train.parquet", 30, label=["b", "a", "c"] * 10)
    assert texts().open(tmp_path).classes == ("a", "b", "c")
    source = texts(classes=["c", "b", "a"]).open(tmp_path)
    assert source.classes == ("c", "b", "a")
    assert source.splits["pool"].table.read(range(3)).labels_B.tolist() == [1, 2, 0]


def test_names_in_a_second_column(tmp_path):
    write(tmp_path / "here/train.parquet", 30, name=["zero", "one", "two"] * 10)
    assert texts(label_name="name").open(tmp_path).classes == ("zero", "one", "two")
    write(tmp_path / "here/train.parquet", 30, name=["zero", "one", "two", "zero", "uno", "two"] * 5)
    with pytest.raises(DataError, match=r"1 goes with both '(one|uno)' and '(one|uno)'"):
        texts(label_name="name").open(tmp_path)


def test_dictionary_encoded_labels(tmp_path):
    write(tmp_path / "here/train.parquet", 30, label=pa.array(["x", "y", "z"] * 10).dictionary_encode())
    assert texts().open(tmp_path).classes == ("x", "y", "z")


def test_images_as_bytes_or_as_a_struct(tmp_path):
    images = [b"one", None, b""] * 10
    for column in (pa.array(images, pa.binary()), pa.array([{"bytes": image, "path": "p"} for image in images])):
        write(tmp_path / "here/train.parquet", 30, text=None, image=column)
        source = build(path="here", payload="image").open(tmp_path)
        assert list(source.splits["pool"].table.read(range(3)).payloads) == [b"one", b"", b""]


def test_a_null_text_reaches_the_encoder_as_zero_bytes(tmp_path):
    write(tmp_path / "here/train.parquet", 30, text=["t", None, ""] * 10)
    assert list(texts().open(tmp_path).splits["pool"].table.read(range(3)).payloads) == ["t", b"", ""]


def test_ids_come_from_the_path_column_or_the_one_that_is_named(tmp_path):
    write(tmp_path / "here/train.parquet", 30, path=[f"p{row}" for row in range(30)], key=list(range(100, 130)))
    assert texts().open(tmp_path).splits["pool"].table.read(range(2)).row_ids == ["p0", "p1"]
    assert texts(row_id="key").open(tmp_path).splits["pool"].table.read(range(2)).row_ids == ["100", "101"]


def test_a_uri_is_opened_through_pyarrow(tmp_path):
    write(tmp_path / "here/train.parquet", 30)
    by_uri = build(path=f"file://{tmp_path}/here", payload="text").open(tmp_path / "nowhere")
    by_path = texts().open(tmp_path)
    assert by_uri.signature == by_path.signature
    assert by_uri.splits["test"].read(0, 9).row_ids == by_path.splits["test"].read(0, 9).row_ids
    with pytest.raises(DataError, match="ftp://"):
        build(path="ftp://there", payload="text").open(tmp_path)


def test_the_signature_knows_content_not_place(tmp_path):
    write(tmp_path / "one/here/train.parquet", 30)
    write(tmp_path / "two/here/train.parquet", 30)
    write(tmp_path / "three/here/train.parquet", 31)
    one, two, three = (texts().open(tmp_path / place).signature for place in ("one", "two", "three"))
    assert one == two != three


def test_splits_are_small_and_travel(tmp_path):
    write(tmp_path / "here/train.parquet", 3000)
    split = texts().open(tmp_path).splits["pool"]
    travelled = pickle.loads(pickle.dumps(split))  # noqa: S301  what Ray does with it
    assert travelled.read(5, 9).row_ids == split.read(5, 9).row_ids
    assert len(pickle.dumps(split.table)) < 20_000


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": None, "lable": [0, 1] * 10}, r"train\.parquet: no column called 'label'; did you mean 'lable'\?"),
        ({"text": None, "texts": ["t"] * 20}, r"no column called 'text'; did you mean 'texts'\?"),
        ({"text": list(range(20))}, r"train\.parquet: column 'text' is int64, text payloads are string"),
        ({"label": [None] * 20}, r"train\.parquet, column 'label': no row has a label, so the names of the classes"),
        ({"label": [0.5] * 20}, "labels are double; labels must be int or string"),
        ({"label": [7] * 20}, r"1 classes \(7\); at least 2 are needed"),
        ({"label": ["a"] * 20}, r"1 classes \(a\); at least 2 are needed"),
    ],
)
def test_bad_columns(tmp_path, columns, message):
    write(tmp_path / "here/train.parquet", **columns)
    with pytest.raises(DataError, match=message):
        texts().open(tmp_path)


def test_a_label_that_training_does_not_know(tmp_path):
    write(tmp_path / "here/train.parquet")
    write(tmp_path / "here/test.parquet", 10, label=[0, 1, 2, 3, *[0] * 6])
    with pytest.raises(DataError, match=r"test\.parquet, column 'label', row 3: 3 is not a class \(classes: 0, 1, 2\)"):
        texts().open(tmp_path)
    write(tmp_path / "here/train.parquet", label=["a", "b"] * 10)
    with pytest.raises(
        DataError, match=r"train\.parquet, column 'label', row 1: 'b' is not a class \(classes: 'a', 'c'"
    ):
        texts(classes=["a", "c"]).open(tmp_path)
    with pytest.raises(DataError, match=r"test\.parquet, column 'label': labels are int64"):
        texts().open(tmp_path)


def test_an_empty_split(tmp_path):
    write(tmp_path / "here/train.parquet")
    write(tmp_path / "here/test.parquet", 1)
    with pytest.raises(DataError, match="the split 'validation' is empty"):
        texts().open(tmp_path)
    write(tmp_path / "here/train.parquet", 0, text=pa.array([], pa.string()), label=pa.array([], pa.int64()))
    with pytest.raises(DataError, match=r"train\.parquet: no rows"):
        texts(validation="test.parquet").open(tmp_path)


def test_files_that_are_not_parquet_or_cut_short(tmp_path):
    path = tmp_path / "here/train.parquet"
    write(path, 200)
    whole = path.read_bytes()
    for content in (b"", b"text,label\n", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"train\.parquet: not a parquet file, or cut short"):
            texts().open(tmp_path)
    path.write_bytes(whole)
    table = texts().open(tmp_path).splits["pool"].table
    path.write_bytes(whole[:50])
    with pytest.raises(DataError, match="cut short"):
        table.read(range(3))


def test_files_of_a_folder_with_other_columns(tmp_path):
    write(tmp_path / "here/train/a.parquet")
    write(tmp_path / "here/train/b.parquet", more=["x"] * 20)
    with pytest.raises(DataError, match=r"b\.parquet: its columns differ from those of .*a\.parquet"):
        texts(train="train").open(tmp_path)


def test_missing_data_say_where_they_belong(tmp_path):
    with pytest.raises(NotProvidedError, match=r"here/train\.parquet is not there; put .* --data-root"):
        texts().open(tmp_path)
    write(tmp_path / "here/train.parquet")
    with pytest.raises(NotProvidedError, match=r"here/train\.parquet is a file; give the folder that holds train"):
        texts(path="here/train.parquet").open(tmp_path)
    with pytest.raises(NotProvidedError, match=r"here/held\.parquet is not there"):
        texts(test="held.parquet").open(tmp_path)
    (tmp_path / "here/none").mkdir()
    with pytest.raises(NotProvidedError, match=r"none/\*\.parquet"):
        texts(train="none").open(tmp_path)


def test_unknown_settings_name_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'payload'"):
        build(path="here", payloads="text")

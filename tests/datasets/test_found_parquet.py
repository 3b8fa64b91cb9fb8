"""Parquet as it lies on disks and hubs: split names, shards, keys, images by path, columns that cannot be meant."""

import shutil
from unicodedata import normalize

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.datasets import SPLITS
from labelbench_ray.encoders.sentence import Sentence
from labelbench_ray.errors import DataError, NotProvidedError
from labelbench_ray.planning.data_words import describe_source
from tests.datasets.test_dataset_cifar10 import write_parquet
from tests.datasets.test_dataset_parquet import build, texts, write
from tests.datasets.test_found_folders import ids, sizes


@pytest.mark.parametrize("name", ["validation", "valid", "val"])
@pytest.mark.parametrize("kind", ["{}.parquet", "{}-00000-of-00001.parquet", "{}/a.parquet", "data/{}-0.parquet"])
def test_a_split_is_found_by_name_in_every_layout(tmp_path, name, kind):
    for part, count in (("train", 20), (name, 7), ("test", 9)):
        write(tmp_path / "here" / kind.format(part), count)
    source = texts().open(tmp_path)
    assert sizes(source) == {"pool": 20, "validation": 7, "test": 9}
    assert source.findings.ignored == ()
    assert len(set(ids(source))) == 36


def write_hub(folder, test="test"):
    write(folder / "train-00000-of-00002.parquet", 60)
    write(folder / "train-00001-of-00002.parquet", 60)
    write(folder / f"{test}-00000-of-00001.parquet", 30)


@pytest.mark.parametrize(
    "settings",
    [
        {"path": "data"},
        {"path": "."},
        {"path": "data", "train": "train-*.parquet"},
        {"path": ".", "train": "data/train-*.parquet", "test": "data/test-?????-of-00001.parquet"},
    ],
)
def test_the_hub_s_layout_in_one_folder(tmp_path, settings):
    write_hub(tmp_path / "data")
    source = build(payload="text", **settings).open(tmp_path)
    assert sizes(source) == {"pool": 120, "validation": 15, "test": 15}
    pool = source.splits["pool"].read(0, 120).row_ids
    assert sorted(pool) == [f"train-0000{file}-of-00002/{row:08d}" for file in (0, 1) for row in range(60)]
    assert describe_source(source)[0] == "pool: 120 rows, 3 classes, 2 files of data/; 40 rows each"


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_a_folder_of_several_splits_is_never_one_pool(tmp_path, test):
    write_hub(tmp_path / "data", test)
    message = rf"data: holds files of several splits \(.*{test}-0.*\), which would be mixed; set `path` to this folder"
    with pytest.raises(DataError, match=message):
        build(path=".", train="data", payload="text").open(tmp_path)


def test_two_validation_files_are_refused_until_one_is_named(tmp_path):
    for part in ("train", "val", "valid"):
        write(tmp_path / f"here/{part}.parquet")
    with pytest.raises(DataError, match=r"here: both valid\.parquet and val\.parquet could be the split 'validation'"):
        texts().open(tmp_path)
    lines = describe_source(texts(validation="val.parquet").open(tmp_path))
    assert "ignored (beside the splits, name it in a setting to read it): .parquet (1 file)" in lines


def test_a_pattern_that_nothing_has(tmp_path):
    write(tmp_path / "here/train.parquet")
    with pytest.raises(NotProvidedError, match=r"here/tr\*n-\*\.parquet is not there"):
        texts(train="tr*n-*.parquet").open(tmp_path)
    assert len(texts(train="tr*n.parquet").open(tmp_path).splits["pool"]) == 16


def test_a_name_with_brackets_is_that_file(tmp_path):
    write(tmp_path / "here[1]/train[2].parquet")
    assert len(build(path="here[1]", train="train[2].parquet", payload="text").open(tmp_path).splits["pool"]) == 16
    write(tmp_path / "here[1]/test-0.parquet")
    assert len(build(path="here[1]", train="train[2].parquet", payload="text").open(tmp_path).splits["pool"]) == 20


def test_copies_in_hidden_and_tools_folders_are_no_rows(tmp_path):
    write(tmp_path / "here/train/a.parquet", 20)
    plain = texts(train="train").open(tmp_path)
    for name in (".ipynb_checkpoints", "@eaDir", "__MACOSX", "_temporary"):
        write(tmp_path / f"here/train/{name}/a-checkpoint.parquet", 5)
    (tmp_path / "here/train/._a.parquet").write_bytes(b"\0\5\26\7")
    (tmp_path / "here/train/_SUCCESS").write_bytes(b"")
    (tmp_path / "here/train/b.csv").write_bytes(b"")
    (tmp_path / "here/train/c.parquet").symlink_to("../shards/c.parquet")
    source = texts(train="train").open(tmp_path)
    assert (ids(source), source.signature) == (ids(plain), plain.signature)
    assert describe_source(source)[3:] == (
        "ignored (hidden, or a tool's own): ._* (1 file), .ipynb_checkpoints/ (1 file), @eaDir/ (1 file), "
        "__MACOSX/ (1 file), _temporary/ (1 file)",
        "ignored (links to nothing, or no files): .parquet (1 file)",
        "ignored (not the suffix .parquet): .csv (1 file), no suffix (1 file)",
        "row ids: the file's name and the row's number in it",
    )


DOCUMENTS = [f"doc_{row // 5}.html" for row in range(20)]


def test_a_path_that_repeats_is_not_the_key_unless_it_is_named(tmp_path):
    write(tmp_path / "here/train.parquet", path=DOCUMENTS)
    write(tmp_path / "here/test.parquet", path=[f"p{row}" for row in range(20)])
    source = texts().open(tmp_path)
    assert len(set(ids(source))) == 40
    assert source.splits["pool"].read(0, 1).row_ids == ["train/00000000"]
    assert source.findings.notes == (
        "train: row ids: the file's name and the row's number in it; the column 'path' is not a key: 'doc_0.html' "
        "stands in 5 rows, the first are row 0 and row 1",
        "test: row ids: column 'path'",
    )
    with pytest.raises(
        DataError, match=r"train\.parquet, column 'path': 'doc_0.html' stands in 5 rows, .* row 1; ids are"
    ):
        texts(row_id="path").open(tmp_path)


@pytest.mark.parametrize(
    ("keys", "trouble"),
    [
        ([f"k{row}" for row in range(19)] + [None], "row 19 has none"),
        ([7] * 2 + list(range(100, 118)), "7 stands in 2 rows"),
        ([[row] for row in range(20)], "count_distinct"),
    ],
)
def test_a_column_that_cannot_be_the_key(tmp_path, keys, trouble):
    write(tmp_path / "here/train.parquet", key=keys)
    with pytest.raises(DataError, match=rf"train\.parquet, column 'key': .*{trouble}.*name another column as `row_id`"):
        texts(row_id="key").open(tmp_path)
    write(tmp_path / "here/train.parquet", path=keys)
    assert texts().open(tmp_path).splits["pool"].read(0, 1).row_ids == ["train/00000000"]


def test_a_repeated_path_of_cifar10_numbers_its_rows(tmp_path):
    write_parquet(tmp_path, [0, 1, 2, 3])
    assert build("cifar10").open(tmp_path).splits["pool"].read(0, 1).row_ids == ["train/0.jpg"]
    for part in ("train", "test"):
        path = tmp_path / f"cifar10/{part}.parquet"
        table = pq.read_table(path)
        pq.write_table(table.set_column(2, "path", [["same.jpg"] * 4]), path)
    assert build("cifar10").open(tmp_path).splits["pool"].read(0, 1).row_ids == ["train/00000000"]


def by_path(*paths: str | None) -> pa.Array:
    return pa.StructArray.from_arrays([pa.nulls(len(paths), pa.binary()), pa.array(paths)], ["bytes", "path"])


def write_images(folder, image):
    write(folder / "train.parquet", 20, text=None, image=image)
    shutil.copy(folder / "train.parquet", folder / "test.parquet")


@pytest.mark.parametrize("place", ["absolute", "relative", "strings"])
def test_images_are_read_by_their_paths_where_no_row_has_bytes(tmp_path, place):
    (tmp_path / "here/img").mkdir(parents=True)
    for row in range(20):
        (tmp_path / f"here/img/{row}.png").write_bytes(b"image %d" % row)
    paths = [f"{tmp_path}/here/img/{row}.png" if place == "absolute" else f"img/{row}.png" for row in range(20)]
    write_images(tmp_path / "here", pa.array(paths) if place == "strings" else by_path(*paths))
    source = build(path="here", payload="image").open(tmp_path)
    assert list(source.splits["pool"].read(3, 5).payloads) == [b"image 3", b"image 4"]
    assert source.findings.ignored == ()
    assert source.findings.notes[1:] == ("20 images are read by the paths in column 'image'",)
    (tmp_path / "here/img/7.png").write_bytes(b"another size")
    assert build(path="here", payload="image").open(tmp_path).signature != source.signature


def test_paths_of_images_that_are_not_there_are_refused_when_planned(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/0.png").write_bytes(b"x")
    write_images(tmp_path / "here", by_path("0.png", *[f"/far/{row}.png" for row in range(19)]))
    message = (
        r"train\.parquet: column 'image' holds paths of images and no bytes; 19 of 20 .* the first: /far/0\.png; put"
    )
    with pytest.raises(DataError, match=message):
        build(path="here", payload="image").open(tmp_path)
    write_images(tmp_path / "here", by_path(*[None] * 20))
    with pytest.raises(DataError, match="no bytes; no row has one; put the images there"):
        build(path="here", payload="image").open(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": pa.array([2**63 + 1] * 20, pa.uint64())}, "9223372036854775809 not in range.*int64 holds"),
        ({"label": [True, False] * 10}, "labels are bool; labels must be int or string; convert the column"),
        ({"label": [[0]] * 20}, r"labels are list<.*>; labels must be int or string; convert"),
        ({"label": [{"a": 0}] * 20}, r"labels are struct<.*>; labels must be int or string; convert"),
        ({"label": pa.array([b"caf\xe9"] * 20).cast(pa.string(), safe=False)}, r"UTF8.*labels must be UTF-8 text"),
    ],
)
def test_labels_that_cannot_be_meant_are_one_line(tmp_path, columns, message):
    write(tmp_path / "here/train.parquet", **columns)
    with pytest.raises(DataError, match=rf"train\.parquet, column 'label': .*{message}") as raised:
        texts().open(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["text", "label", "key", "name"])
def test_a_column_twice(tmp_path, name):
    write(tmp_path / "here/train.parquet", key=list(range(20)), name=["a", "b", "c"] * 6 + ["a", "b"])
    table = pq.read_table(tmp_path / "here/train.parquet")
    pq.write_table(table.append_column(name, table[name]), tmp_path / "here/train.parquet")
    with pytest.raises(DataError, match=rf"train\.parquet: has 2 columns called '{name}'; rename or drop one"):
        texts(row_id="key", label_name="name").open(tmp_path)


def test_labels_of_one_name_in_two_forms_of_unicode(tmp_path):
    composed, decomposed = normalize("NFC", "café"), normalize("NFD", "café")
    write(tmp_path / "here/train.parquet", label=[composed, "tea"] * 10)
    write(tmp_path / "here/test.parquet", label=[decomposed, "tea"] * 10)
    source = texts().open(tmp_path)
    assert source.classes == (composed, "tea")
    assert source.splits["test"].table.read(range(2)).labels_B.tolist() == [0, 1]
    write(tmp_path / "here/train.parquet", label=[composed, decomposed] * 10)
    with pytest.raises(DataError, match=r"'caf\\xe9' and 'cafe\\u0301' have the same name, in two forms of Unicode"):
        texts().open(tmp_path)


def test_texts_that_are_not_utf8_are_rejected_row_by_row(tmp_path):
    column = pa.array([b"caf\xe9", "café".encode()] * 10).cast(pa.string(), safe=False)
    write(tmp_path / "here/train.parquet", text=column)
    payloads = texts().open(tmp_path).splits["pool"].table.read(range(2)).payloads
    assert list(payloads) == [b"caf\xe9", "café"]
    with pytest.raises(ValueError, match="payload is bytes that are not UTF-8, a sentence encoder needs text"):
        Sentence().decode(payloads[0])


def test_every_layout_keeps_its_splits(tmp_path):
    """A folder that is only called like a split, with no parquet in it, is none."""
    write(tmp_path / "here/train.parquet", 20)
    (tmp_path / "here/test").mkdir()
    (tmp_path / "here/test/notes.txt").touch()
    assert [len(texts().open(tmp_path).splits[name]) for name in SPLITS] == [16, 2, 2]

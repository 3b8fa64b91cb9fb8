"""Malformed inputs, one table for all readers: each is refused in one line that names the place, the value and the fix.

A case is a folder's files, the data set that reads them, and what the message states. Readers append theirs.
"""

import gzip
import io
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labelbench_ray import datasets, plugins
from labelbench_ray.commands import cli
from labelbench_ray.config import Part
from labelbench_ray.errors import UserError
from tests.datasets.malformed_vectors import VECTORS
from tests.datasets.row_samples import PNG, arrow, features, parquet, tar, tar_of
from tests.datasets.vector_samples import LABELS_N, ROWS_ND, npz

ROWS = b"id,text,label\n1,a,x\n2,b,y\n3,c,x\n4,d,y\n"
TEXTS = Part.of("tables", path="in", payload="text")
TAGS = Part.of("tables", path="in", payload="text", label_list="tags")
IMAGES = Part.of("tables", path="in", payload="image")
TARS = Part.of("webdataset", path="in", payload="image")
EMBEDDINGS = Part.of("embeddings", path="in")
CAT_DOG = features(label={"_type": "ClassLabel", "names": ["cat", "dog"]})


@dataclass(frozen=True, slots=True)
class Case:
    """One malformed input."""

    name: str
    files: Mapping[str, bytes]
    """Below the folder `in`."""
    states: str
    """A pattern that the message has: the file, the row or column, the value, and the fix."""
    part: Part = field(default=TEXTS)


TABLE = Part.of("tabular", path="in")
PEOPLE = b"age,job,class\n31,clerk,yes\n47,nurse,no\n52,clerk,yes\n28,nurse,no\n"
CALLS = Part.of("sound_folder", path="in")
CLIPS = b"filename,fold,target,category,esc10\na.wav,1,0,dog,True\nb.wav,2,1,rain,False\n"
ESC50 = Part.of("esc50", path="in")

CASES = [
    # Tables of columns
    Case("no label among columns", {"train.csv": b"age,job\n1,a\n2,b\n"}, r"no column could hold the labels", TABLE),
    Case(
        "text in a column of numbers",
        {"train.csv": PEOPLE, "test.csv": b"age,job,class\n31,clerk,yes\nold,nurse,no\n"},
        r"test\.csv, column 'age', row 1: 'old' is not a finite number; fix it, leave it empty, or name",
        TABLE,
    ),
    Case(
        "a column that a split lacks",
        {"train.csv": PEOPLE, "test.csv": b"age,class\n31,yes\n47,no\n"},
        r"test\.csv: no column called 'job'",
        TABLE,
    ),
    Case("nothing but labels", {"train.csv": b"same,class\nx,yes\nx,no\n"}, r"no column to embed is left", TABLE),
    # Sounds
    Case("sounds of another format", {"train/cat/a.mp3": b"x"}, r"no sounds in its class folders .*found \.mp3", CALLS),
    Case(
        "a fold beyond five",
        {"meta/esc50.csv": CLIPS.replace(b",2,", b",7,"), "audio/a.wav": b"", "audio/b.wav": b""},
        r"esc50\.csv, line 3: fold '7'; it must be one of 1 \.\. 5",
        ESC50,
    ),
    Case(
        "a clip that is not there",
        {"meta/esc50.csv": CLIPS, "audio/a.wav": b""},
        r"1 of 2 recordings are not in audio/, the first: 'b\.wav'; copy them there",
        ESC50,
    ),
    # CSV
    Case("empty CSV", {"train.csv": b""}, r"train\.csv: empty; a text file with a row a line is needed"),
    Case("blank header", {"train.csv": b"\n\n"}, r"train\.csv: empty; a header such as id,text,label"),
    Case("header alone", {"train.csv": b"id,text,label\n"}, r"train\.csv: a header and no rows"),
    Case(
        "one column", {"train.csv": b"id|text|label\n1|a|x\n"}, r"line 1: one column, 'id\|text\|label'; .* separated"
    ),
    Case(
        "column without name", {"train.csv": b"id,,label\n1,a,x\n"}, r"line 1: column 2 of 3 has no name; give it one"
    ),
    Case(
        "column twice", {"train.csv": b"id,text,text\n1,a,x\n"}, r"line 1: 2 columns are called 'text'; rename or drop"
    ),
    Case(
        "row of another length",
        {"train.csv": b"id,text,label\n1,a,x\n2,b,c,y\n"},
        r"record 3 \(1 is the header\): 4 cells in a row of a file with 3 columns \('2,b,c,y'\); quote",
    ),
    Case(
        "cut short",
        {"train.csv": ROWS + b"5,e"},
        r"record 6 \(1 is the header\): 2 cells in a row of a file with 3 columns \('5,e'\)",
    ),
    Case(
        "open quote",
        {"train.csv": b'id,text,label\n1,"a,x\n2,b,y\n3,c,x\n'},
        r"train\.csv, line 2: the quote at the start of '\"a,x' is not closed; close it, or double quotes inside of",
    ),
    Case(
        "open quote in the last column",
        {"train.csv": b'id,text,label\n1,a,x\n2,b,"y\n3,c,x\n'},
        r"train\.csv, line 3: the quote at the start of '\"y' is not closed; close it",
    ),
    Case(
        "two open quotes",
        {"train.csv": b'id,text,label\n1,"a,x\n2,b,y\n3,c,x\n4,"d,x\n5,e,y\n6,f,x\n7,g,y\n'},
        r"train\.csv, line 2: the quote at the start of '\"a,x' is closed in line 5, before 'd,x' in the same cell; "
        r"close it where the cell ends, or double quotes",
    ),
    Case(
        "latin-1",
        {"train.csv": b"id,text,label\n1,a,x\n2,caf\xe9,y\n"},
        r"train\.csv, line 3: the byte 0xe9 is not UTF-8 \(latin-1 has '2,café,y' there\); convert .* iconv -f LATIN1",
    ),
    Case("UTF-16", {"train.csv": ROWS.decode().encode("utf-16")}, r"train\.csv: UTF-16, not UTF-8; convert .* iconv"),
    Case("zero bytes", {"train.csv": b"id,text,label\n1,a\0,x\n"}, r"train\.csv, line 2: a zero byte"),
    Case(
        "no such column",
        {"train.csv": ROWS},
        r"train\.csv: no column called 'lable'; did you mean 'label'\? \(have: id, label, text\)",
        Part.of("tables", path="in", payload="text", label="lable"),
    ),
    Case(
        "no column of labels",
        {"train.csv": b"id,text,kind\n1,a,x\n2,b,y\n"},
        r"train\.csv: no column of labels \(columns: id, text, kind\); name it, as in label=\"kind\"",
    ),
    Case(
        "no column of texts",
        {"train.csv": b"id,headline,body,label\n1,a,b,x\n"},
        r"2 columns \(headline, body\) could hold the text payloads .*; name one, as in column=\"headline\"",
    ),
    Case(
        "columns in other letters",
        {"train.csv": b"Id,Text,Label\n1,a,x\n2,b,y\n"},
        r"train\.csv: 3 columns \(Id, Text, Label\) could hold the text payloads .*; name one, as in column=\"Text\"",
    ),
    Case(
        "a column of labels in other letters",
        {"train.csv": b"Id,Label,Text\n1,x,a\n2,y,b\n"},
        r"train\.csv: no column of labels \(columns: Id, Label, Text\); name it, as in label=\"Label\"",
        Part.of("tables", path="in", payload="text", column="Text"),
    ),
    Case(
        "id twice",
        {"train.csv": b"id,text,label\n7,a,x\n7,b,y\n"},
        r"train\.csv, column 'id': '7' stands in 2 rows, the first are row 0 and row 1; ids are",
    ),
    Case(
        "id twice in two files",
        {"train-0.csv": ROWS, "train-1.csv": b"id,text,label\n9,a,x\n4,b,y\n"},
        r"in/train-0\.csv, column 'id': '4' stands in 2 rows, the first are row 3 and .*/train-1\.csv, row 1;",
    ),
    Case("no id", {"train.csv": b"row_id,text,label\n7,a,x\n,b,y\n"}, r"train\.csv, column 'row_id': row 1 has none"),
    Case(
        "one class",
        {"train.csv": b"id,text,label\n7,a,x\n8,b,x\n"},
        r"1 classes \(x\); at least 2 are needed: add rows of another class \(.* of train\.csv",
    ),
    Case(
        "label beyond the classes",
        {"train.csv": ROWS},
        r"train\.csv, column 'label', row 1: 'y' is not a class \(classes: 'x', 'z'\); fix the label or the list",
        Part.of("tables", path="in", payload="text", classes=["x", "z"]),
    ),
    Case(
        "held-out label that train lacks",
        {"train.csv": ROWS, "test.csv": b"id,text,label\n9,a,z\n"},
        r"test\.csv, column 'label', row 0: 'z' is not a class",
    ),
    Case(
        "held-out row without a label",
        {"train.csv": ROWS, "test.csv": b"id,text,label\n9,a,x\n10,b,\n"},
        r"1 of 2 rows of the split 'test' have no label, the first is '10': .* label them, or take them out of test",
    ),
    Case(
        "files of one split with other columns",
        {"train-0.csv": ROWS, "train-1.csv": b"id,title,label\n9,a,x\n"},
        r"train-1\.csv: its columns \(id large_string, title large_string.*\) differ from those of .*train-0\.csv",
    ),
    Case(
        "two formats of one split",
        {"train.csv": ROWS, "train.jsonl": b'{"text": "a", "label": "x"}\n'},
        r"train\.csv and train\.jsonl could be the split 'train'; name the one that is meant: train=\"train\.csv\"",
    ),
    Case(
        "files without a word",
        {"a.csv": ROWS, "b.csv": ROWS},
        r"2 files of rows and no word such as 'train' in their names \(a\.csv, b\.csv\); name .*: train=\"a\.csv\"",
    ),
    Case(
        "two data sets in one folder",
        {"de/train.csv": ROWS, "fr/train.csv": ROWS},
        r"are of 2 data sets, which would be mixed; name the folder of one, as in config=\"fr\"",
    ),
    Case(
        "no train",
        {"test.csv": ROWS},
        r"in: no split 'train' \(splits: test: test\.csv\); name its files, as in train=",
    ),
    Case(
        "numbers to predict",
        {"train.csv": b"id,text,label\n1,a,0.5\n2,b,much\n"},
        r"train\.csv, column 'label', row 1: 'much' is not a finite number; write one, or nothing",
        Part.of("tables", path="in", payload="text", label_value="label"),
    ),
    # JSON lines
    Case(
        "mixed types",
        {"train.jsonl": b'{"text": "a", "label": "1"}\n{"text": "b", "label": 2}\n'},
        r"train\.jsonl, line 2, column 'label': a number, '2', and in line 1 a text; write one type in all rows",
    ),
    Case(
        "NaN in JSON",
        {"train.jsonl": b'{"text": "a", "label": "1"}\n{"text": "b", "label": NaN}\n'},
        r"train\.jsonl, line 2: NaN is not JSON; write null for no value, or a number",
    ),
    Case(
        "null in a list of labels",
        {"train.jsonl": b'{"text": "a", "tags": ["x"]}\n{"text": "b", "tags": ["y", null]}\n'},
        r"train\.jsonl, column 'tags', row 1: the list holds null; name its class, or leave the entry out",
        TAGS,
    ),
    Case(
        "a list in a list of labels",
        {"train.jsonl": b'{"text": "a", "tags": [["x"]]}\n{"text": "b", "tags": [["y"]]}\n'},
        r"train\.jsonl, column 'tags': labels are list<.*>; labels must be int or string; convert the column",
        TAGS,
    ),
    Case(
        "a list of names and numbers",
        {"train.jsonl": b'{"text": "a", "tags": []}\n{"text": "b", "tags": ["y", 1]}\n'},
        r"train\.jsonl, line 2, column 'tags': a list with a number and a text, \[\"y\", \"1\"\]; write one type",
        TAGS,
    ),
    Case(
        "lists of names and lists of numbers",
        {"train.jsonl": b'{"text": "a", "tags": ["x"]}\n{"text": "b", "tags": [1]}\n'},
        r"line 2, column 'tags': a list with a number, '\[\"1\"\]', and in line 1 a list with a text; write one type",
        TAGS,
    ),
    Case(
        "JSON instead of JSON lines",
        {"train.jsonl": b'[\n{"text": "a", "label": "1"}\n]\n'},
        r"train\.jsonl, line 1: .* of '\['; write each row as one object on one line, as in jq -c '\.\[\]'",
    ),
    Case(
        "JSON lines cut short",
        {"train.jsonl": b'{"text": "a", "label": "1"}\n{"text": "b", "la'},
        r"train\.jsonl, line 2: Unterminated string .* at column 15",
    ),
    Case(
        "key twice",
        {"train.jsonl": b'{"text": "a", "text": "b", "label": "1"}\n'},
        r"train\.jsonl, line 1: the key 'text' occurs twice in one object; keep one",
    ),
    Case("objects without keys", {"train.jsonl": b"{}\n{}\n"}, r"train\.jsonl: its objects have no key with a text"),
    Case("not an object", {"train.jsonl": b'"a"\n'}, r"train\.jsonl, line 1: '\"a\"' is not an object; write each row"),
    Case(
        "lists of labels that are not named",
        {"train.jsonl": b'{"text": "a", "labels": ["x"]}\n{"text": "b", "labels": ["y"]}\n'},
        r"column 'labels' holds lists of classes, several labels a row; name it, as in label_list=\"labels\"",
    ),
    # Paths in rows
    Case(
        "path out of the folder",
        {"labels.csv": b"path,label\na.png,x\n../../secret.png,y\n", "a.png": PNG},
        r"labels\.csv, row 1, column 'path': '\.\./\.\./secret\.png' lies outside of the data set's folder .*; move",
        IMAGES,
    ),
    Case(
        "absolute path out of the folder",
        {"labels.csv": b"path,label\n/etc/passwd,x\na.png,y\n", "a.png": PNG},
        r"row 0, column 'path': '/etc/passwd' lies outside of the data set's folder .*; move the file into it",
        IMAGES,
    ),
    Case(
        "path of another system",
        {"labels.csv": b"path,label\nsub\\a.png,x\na.png,y\n", "a.png": PNG},
        r"row 0, column 'path': 'sub\\\\a\.png' is not a relative path with '/' between its steps; write it so",
        IMAGES,
    ),
    Case(
        "file that is not there",
        {"labels.csv": b"path,label\na.png,x\nb.png,y\n", "a.png": PNG},
        r"labels\.csv, row 1, column 'path': 'b\.png' is not there; paths start at the folder of the file",
        IMAGES,
    ),
    # Parquet and Arrow files with metadata of Hugging Face datasets
    Case(
        "label beyond the names",
        {"train.parquet": parquet({"text": ["a", "b", "c"], "label": [0, 1, 2]}, CAT_DOG)},
        r"train\.parquet, column 'label', row 2: 2 is not a class \(classes: 0, 1\); fix the label",
    ),
    Case(
        "metadata that are not JSON",
        {"train.parquet": parquet({"text": ["a", "b"], "label": [0, 1]}, b"{oops")},
        r"train\.parquet: the schema's metadata 'huggingface' are not what `datasets` writes .*; write the file again",
    ),
    Case(
        "parquet cut short",
        {"train.parquet": parquet({"text": ["a", "b"], "label": [0, 1]}, CAT_DOG)[:-20]},
        r"train\.parquet: not a parquet file, or cut short \(.*\); copy it again from its source",
    ),
    Case(
        "Arrow cut short",
        {"train.arrow": arrow({"text": ["a", "b"], "label": [0, 1]}, CAT_DOG)[:-8]},
        r"train\.arrow: not an Arrow file, or cut short \(the mark of its end is missing\); copy it again",
    ),
    Case(
        "a file of save_to_disk that is not there",
        {"state.json": b'{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}'},
        r"data-00000-of-00001\.arrow is not there, although state\.json names it; copy it from its source",
    ),
    # Tar files
    Case(
        "tar with a key twice",
        {"a.tar": tar_of([("1.png", PNG), ("1.cls", "0"), ("2.png", PNG), ("2.cls", "1"), ("1.png", PNG)])},
        r"a\.tar, member '1\.png': the key '1' occurs twice, apart from .*; keys are the ids of rows .*; write the tar",
        TARS,
    ),
    Case(
        "tar with a member twice",
        {"a.tar": tar_of([("1.png", PNG), ("1.png", PNG), ("1.cls", "1")])},
        r"a\.tar, member '1\.png': it occurs twice; write the tar again",
        TARS,
    ),
    Case(
        "tar cut short",
        {"a.tar": tar({"1.png": PNG, "1.cls": "0", "2.cls": "1", "2.png": b"x" * 2000})[:4000]},
        r"a\.tar(, member '2\.png')?: .*cut short.*; copy (it|the tar) from its source",
        TARS,
    ),
    Case(
        "tar that is compressed",
        {"a.tar": gzip.compress(tar({"1.png": PNG, "1.cls": "0"}))},
        r"a\.tar: not a tar file, compressed, or cut short \(.*\); copy it from its source, and decompress it",
        TARS,
    ),
    Case(
        "tar without payloads",
        {"a.tar": tar({"1.txt": "t", "1.cls": "0"})},
        r"a\.tar: no member of image files \(found \.cls\); set `payload` or `extension`",
        TARS,
    ),
    Case(
        "two payloads in a sample",
        {"a.tar": tar({"1.png": PNG, "1.jpg": PNG, "1.cls": "0"})},
        r"a\.tar, sample '1': \.jpg and \.png could be its payload; name one, as in extension=\"jpg\"",
        TARS,
    ),
    Case(
        "names among numbers in a tar",
        {"a.tar": tar({"1.png": PNG, "1.cls": "0", "2.png": PNG, "2.cls": "cat"})},
        r"a\.tar, member '2\.cls': the label 'cat', and others such as 0; write numbers alone or names alone",
        TARS,
    ),
    Case(
        "label in a tar beyond the classes",
        {
            "train-0.tar": tar({"0.png": PNG, "0.cls": "1"}),
            "train-1.tar": tar({"1.png": PNG, "1.cls": "0", "2.png": PNG, "2.cls": "2"}),
        },
        r"train-1\.tar, member '2\.cls': 2 is not a class \(classes: 0, 1\); fix the label or the list of classes",
        Part.of("webdataset", path="in", payload="image", classes=["cat", "dog"]),
    ),
    Case(
        "names and numbers in a list of a tar",
        {
            "train-0.tar": tar({"0.png": PNG, "0.json": '{"tags": ["a"]}'}),
            "train-1.tar": tar({"1.png": PNG, "1.json": '{"tags": ["b", 1]}'}),
        },
        r"train-1\.tar, member '1\.json', key 'tags': \[\"b\", 1\] holds names and numbers; write one of them",
        Part.of("webdataset", path="in", payload="image", label_list="tags"),
    ),
    Case(
        "a number beyond 64 bits in a tar",
        {"a.tar": tar({"1.png": PNG, "1.json": '{"label": 10000000000000000000}'})},
        r"a\.tar, member '1\.json', key 'label': 10{19} is neither a name nor a whole number of 64 bits; write one",
        TARS,
    ),
    Case(
        "a list where a label is asked for in a tar",
        {"a.tar": tar({"1.png": PNG, "1.json": '{"label": ["a"]}'})},
        r"a\.tar, member '1\.json', key 'label': .* is a list; name the key as `label_list`, or write one label",
        TARS,
    ),
    Case(
        "JSON in a tar that is cut short",
        {"a.tar": tar({"1.png": PNG, "1.json": '{"label": '})},
        r"a\.tar, member '1\.json': not JSON \(.*\); write an object",
        TARS,
    ),
    Case(
        "a README that cannot be read",
        {"README.md": b"---\nconfigs: [\n---\n", "train.csv": ROWS},
        r"README\.md: the YAML at its top cannot be read \(.*\); fix or remove it",
    ),
    Case(
        "several configurations",
        {
            "README.md": b"---\nconfigs:\n- {config_name: de, data_files: de.csv}\n"
            b"- {config_name: fr, data_files: fr.csv}\n---\n",
            "de.csv": ROWS,
            "fr.csv": ROWS,
        },
        r"README\.md: 2 configurations \(de, fr\); name one, as in config=\"de\"",
    ),
    *(Case(name, files, states, EMBEDDINGS) for name, files, states in VECTORS),
]

CIFAR_C = Part.of("cifar_c", dataset="digits", path="in", corruptions=["fog"])


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


CASES += [
    Case(
        "a column of ids beside an array",
        {"embeddings.npy": npy(np.zeros((4, 2), np.float16)), "labels.npy": npy(np.array([0, 1, 0, 1]))},
        r"embeddings\.npy: has no columns, row_id='key' names one; leave row_id out and put ids into ids\.npy",
        Part.of("embeddings", path="in", row_id="key"),
    ),
    Case(
        "no array of corrupted images",
        {"fog.npy": b"PK", "labels.npy": npy(np.zeros(5, np.int64))},
        r"fog\.npy: .*; it is not the published file, get it again",
        CIFAR_C,
    ),
    Case(
        "labels of corrupted images beyond the names",
        {"fog.npy": npy(np.zeros((5, 2, 2, 3), np.uint8)), "labels.npy": npy(np.array([0, 1, 10, 3, 4]))},
        r"fog\.npy and labels\.npy, row 2: the label 10 is not one of 10 classes; .* get the published files again",
        CIFAR_C,
    ),
    Case(
        "corrupted images that are not five severities",
        {"fog.npy": npy(np.zeros((6, 2, 2, 3), np.uint8)), "labels.npy": npy(np.zeros(6, np.int64))},
        r"labels\.npy: 6 rows are not 5 severities of as many rows; get the published files again",
        CIFAR_C,
    ),
    Case(
        "corrupted images of a class that the data set lacks",
        {"fog/1/n09999999/a.png": PNG},
        r"fog/1/n09999999: no class called 'n09999999'",
        Part.of("imagenet_c", dataset="digits", path="in", corruptions=["fog"], severities=[1]),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_malformed_input_is_refused_in_one_line(case: Case, tmp_path: Path):
    for name, data in case.files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    before = tree(tmp_path)
    with pytest.raises(UserError) as caught:
        read_all(case.part, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(case.states, message), message
    folders = {f"in/{folder}" for name in case.files for folder in PurePosixPath(name).parents} - {"in/."}
    named = [place for place in {*case.files, *folders} if place in message]
    assert named, f"no file is named: {message}"
    assert tree(tmp_path) == before, "something was written"


def read_all(part: Part, root: Path) -> None:
    """Open a data set, and read every row of every split."""
    for split in plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(root).splits.values():
        split.read(0, len(split))


READERS = {
    "CSV": ({"train.csv": ROWS + b"5,e,x,y\n"}, "quote cells that hold ',' or a quote"),
    "JSON lines": ({"train.jsonl": b'{"text": "a", "label": "x"}\n{"text": "b", "label": NaN}\n'}, "or a number"),
    "parquet": ({"train.parquet": parquet({"text": ["a", "b"], "label": [0, 1]}, CAT_DOG)[:-20]}, "from its source"),
    "Arrow": ({"train.arrow": arrow({"text": ["a", "b"], "label": [0, 1]}, CAT_DOG)[:-8]}, "from its source"),
    "tar": ({"a.tar": tar_of([("1.png", PNG), ("1.png", PNG), ("1.cls", "1")])}, "write the tar again"),
    "npz": ({"x.npz": npz(embeddings=ROWS_ND, labels=LABELS_N)[:-30]}, "numpy.savez"),
    "files in rows": ({"labels.csv": b"path,label\na.png,x\nb.png,y\n", "a.png": PNG}, "that names them"),
}
"""A malformed folder for each reader of files, and how its message ends."""


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("reader", READERS)
def test_a_command_on_a_malformed_input_leaves_nothing(
    reader: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    files, end = READERS[reader]
    (tmp_path / "in").mkdir()
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    executor = ["--executor", "local"] if command == "run" else []
    monkeypatch.setattr(sys, "argv", ["labelbench", command, "--dataset", "in", *executor])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    message = capsys.readouterr().err.strip()
    assert message.endswith(end)
    assert any(name in message for name in files), message
    assert tree(tmp_path) == before


def tree(folder: Path) -> dict[str, bytes]:
    """The content of all files below a folder by their paths, and the empty texts of folders."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_there_are_as_many_as_are_asked_for():
    assert len({case.name for case in CASES}) == len(CASES) >= 40

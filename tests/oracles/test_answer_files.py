"""Answers as people save them are read as they meant them, and what cannot be used is refused by name."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.oracles import UNANSWERED
from labelbench_ray.oracles._answer_files import read_answers
from labelbench_ray.oracles._judging import Answers, judged
from labelbench_ray.oracles.files import Files
from labelbench_ray.tasks.open_set import NONE_OF_THESE
from tests.oracles.questions import Asked

ROWS = ("007", "8", "a b", 'say "hi", twice')


def answered(folder: Path, given: dict[str, bytes | pa.Table], asked: Asked | None = None) -> Answers:
    """What the oracle makes of these files in `answers/`."""
    for name, content in given.items():
        path = folder / "answers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
    question = (asked or Asked(folder, ROWS)).question()
    answers = judged(read_answers(folder), question)
    assert Files().answer(question).tolist() == answers.labels_B.tolist()
    assert Files().refused(question) == answers.refused
    return answers


def labels(answers: Answers) -> list[int]:
    return answers.labels_B.tolist()


QUOTED = 'row_id,label\n007,cat\n8,dog\n"a b",cat\n"say ""hi"", twice",dog\n'
SEMICOLONS = 'row_id;label\r\n007;cat\r\n8;dog\r\na b;cat\r\n"say ""hi"", twice";dog\r\n'


@pytest.mark.parametrize(
    "data",
    [
        QUOTED.encode(),
        QUOTED.encode("utf-8-sig"),
        QUOTED.encode("utf-16"),
        QUOTED.replace("\n", "\r\n").encode(),
        SEMICOLONS.encode("utf-8-sig"),
        f"sep=;\r\n{SEMICOLONS}".encode(),
        SEMICOLONS.replace(";", "\t").encode("utf-16"),
        QUOTED.replace("cat\n", "cat  \n").replace("007,", " 007 ,").encode(),
        QUOTED.replace("row_id,label", "Row_ID , LABEL").encode(),
        QUOTED.rstrip().encode(),
        QUOTED.replace("8,dog\n", "\n8,dog\n,\n").encode(),
    ],
    ids=["plain", "mark", "utf-16", "crlf", "semicolons", "sep", "tabs", "spaces", "header", "no end", "blank rows"],
)
def test_a_csv_is_read_as_it_was_meant(tmp_path, data: bytes):
    answers = answered(tmp_path, {"first.csv": data})
    assert labels(answers) == [0, 1, 0, 1]
    assert answers.refused == ()


def test_columns_stand_in_any_order_beside_others(tmp_path):
    data = b"label,seconds,row_id,annotator\ncat,3,007,ann\ndog,1,8,bob\n"
    answers = answered(tmp_path, {"first.csv": data})
    assert labels(answers) == [0, 1, UNANSWERED, UNANSWERED]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"row_id": ["007", "8"], "label": ["cat", "dog"]}),
        pa.table({"row_id": ["007", "8"], "label": pa.array(["cat", "dog"]).dictionary_encode()}),
        pa.table({"label": pa.array(["cat", "dog", None]), "row_id": ["007", "8", "a b"], "seconds": [1, 2, 3]}),
    ],
    ids=["texts", "categories", "gaps"],
)
def test_a_parquet_file_is_read_the_same(tmp_path, table: pa.Table):
    answers = answered(tmp_path, {"first.PARQUET": table})
    assert labels(answers) == [0, 1, UNANSWERED, UNANSWERED]
    assert answers.refused == ()


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64()])
def test_numbers_in_parquet_name_rows_and_classes_that_are_numbers(tmp_path, kind: pa.DataType):
    asked = Asked(tmp_path, ["7", "8", "9"], classes=("0", "1"))
    table = pa.table({"row_id": pa.array([7, 8, 9], kind), "label": pa.array([1, 0, None], kind)})
    assert labels(answered(tmp_path, {"a.parquet": table}, asked)) == [1, 0, UNANSWERED]


def test_answers_of_several_files_are_one(tmp_path):
    given = {"b.csv": b"row_id,label\n8,dog\n007,cat\n", "a.csv": b"row_id,label\n007,cat\n"}
    answers = answered(tmp_path, given)
    assert labels(answers) == [0, 1, UNANSWERED, UNANSWERED]
    assert answers.refused == ()


def test_what_people_fill_into_the_batch_itself_counts(tmp_path):
    (tmp_path / "batch.csv").write_text("row_id,text,order,strategy,label\n007,t,0,margin,dog\n8,t,1,margin,\n")
    assert labels(answered(tmp_path, {})) == [1, UNANSWERED, UNANSWERED, UNANSWERED]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("9,cat", r"answers/a\.csv, row 3: row '9' was not asked for; correct the row_id or remove the row"),
        ("7,cat", r"answers/a\.csv, row 3: row '7' was not asked for; '007' was: a spreadsheet drops zeros unless"),
        ("8,Dog", r"answers/a\.csv, row 3: row '8': no class called 'Dog'; did you mean 'dog'\? \(have: cat, dog\)"),
        ("8,1", r"row '8': no class called '1' \(have: cat, dog\); correct the label"),
        (
            "007,dog",
            r"row '007' has different labels: 'cat' \(answers/a\.csv, row 2\), 'dog' \(.*, row 3\)",
        ),
        ("old,dog", r"row 3: row 'old' is labeled 'dog' here and was recorded as 'cat'; a recorded label stays"),
        (",dog", r"row 3: row '' was not asked for"),
    ],
    ids=["unknown", "zeros", "case", "number", "twice", "recorded", "nameless"],
)
def test_an_answer_that_cannot_be_used_is_refused_by_name_and_the_rest_is_kept(tmp_path, row: str, words: str):
    asked = Asked(tmp_path, ROWS, other_rows={"old": "cat", "later": None})
    data = f"row_id,label\n007,cat\n{row}\na b,dog\nold,cat\nlater,dog\n".encode()
    answers = answered(tmp_path, {"a.csv": data}, asked)
    (refused,) = answers.refused
    assert re.search(words, refused), refused
    assert labels(answers)[2] == 1
    assert labels(answers)[0] == (UNANSWERED if "different" in refused else 0)


def test_none_of_these_is_an_answer_where_rows_may_be_out_of_scope(tmp_path):
    recorded = {"old": "none of these", "other": "cat"}
    asked = Asked(tmp_path, ROWS, other_rows=recorded, further_answers={"none of these": NONE_OF_THESE})
    data = (
        b"row_id,label\n007,none of these\n8, none of these \na b,None of these\n"
        b"old,none of these\nother,none of these\nold,dog\n"
    )
    answers = answered(tmp_path, {"a.csv": data}, asked)
    assert labels(answers) == [NONE_OF_THESE, NONE_OF_THESE, UNANSWERED, UNANSWERED]
    assert [line.partition(": ")[2].split(";")[0] for line in answers.refused] == [
        "row 'a b': no class called 'None of these'",
        "row 'other' is labeled 'none of these' here and was recorded as 'cat'",
        "row 'old' is labeled 'dog' here and was recorded as 'none of these'",
    ]
    assert "did you mean 'none of these'? (have: cat, dog, none of these)" in answers.refused[0]
    elsewhere = answered(tmp_path, {}, Asked(tmp_path, ROWS))
    assert labels(elsewhere) == [UNANSWERED] * 4
    assert "no class called 'none of these'" in elsewhere.refused[0]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.xlsx", b"PK", "answers/a.xlsx: neither a .csv nor a .parquet file"),
        ("a.csv", b"id,label\n1,cat\n", "answers/a.csv: its first row is 'id,label'; it must name the columns row_id"),
        ("a.csv", b"", "answers/a.csv: its first row is ''"),
        ("a.csv", "row_id,label\n1,Stra\xdfe\n".encode("cp1252"), "answers/a.csv: not UTF-8 text"),
        ("a.csv", b"row_id,label,label\n1,cat,dog\n", "answers/a.csv: has 2 columns called 'label'"),
        ("a.parquet", b"PAR1", "answers/a.parquet: not a parquet file, or cut short"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name_and_the_others_are_kept(tmp_path, name, data, words):
    answers = answered(tmp_path, {name: data, "good.csv": b"row_id,label\n8,dog\n"})
    (refused,) = answers.refused
    assert refused.startswith(words)
    assert labels(answers) == [UNANSWERED, 1, UNANSWERED, UNANSWERED]


def test_files_that_programs_leave_behind_are_not_answers(tmp_path):
    given = {".DS_Store": b"x", "~$first.xlsx": b"x", ".~lock.first.csv#": b"x"}
    assert answered(tmp_path, given).refused == ()


def test_of_a_wrong_file_the_first_rows_are_named_and_the_others_counted(tmp_path):
    rows = "".join(f"wrong-{number},cat\n" for number in range(1000))
    answers = answered(tmp_path, {"a.csv": f"row_id,label\n{rows}".encode()})
    assert len(answers.refused) == 21
    assert answers.refused[-1] == "and 980 more answers like these"


def test_the_same_names_in_another_form_of_unicode_are_the_same(tmp_path):
    asked = Asked(tmp_path, ["na\u00efve"], classes=("caf\u00e9", "bar"))
    data = "row_id,label\nnai\u0308ve,cafe\u0301\n".encode()
    assert labels(answered(tmp_path, {"a.csv": data}, asked)) == [0]


def test_a_text_longer_than_the_csv_module_s_limit_is_no_trouble(tmp_path):
    data = f"row_id,text,label\n8,{'x' * 200_000},dog\n".encode()
    assert labels(answered(tmp_path, {"a.csv": data}))[1] == 1

"""CSV and parquet files of answers, as spreadsheets and scripts write them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.answers.events import Answer, Status
from labelbench_ray.answers.formats import read
from labelbench_ray.answers.formats.delimited import split_classes
from labelbench_ray.answers.formats.stated import NONE_OF_THESE, Read
from labelbench_ray.errors import DataError
from labelbench_ray.tasks import open_set

SAVED = 1_777_636_800
"""2026-05-01 12:00 UTC."""
HEADER = "row_id,label,annotator,status,answered_at,seconds\n"


def saved(folder: Path, content: str | bytes | pa.Table, name: str = "answers.csv", at: float = SAVED) -> Path:
    path = folder / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (at, at))
    return path


def labels(found: Read) -> dict[str, tuple[str, ...] | None]:
    return {answer.row_id: answer.labels for answer in found.answers}


FULL = HEADER + (
    "00012,NA,ann,,2026-05-01T10:00:00Z,3.5\n"
    "1e5,true,ann,submitted,2026-05-01 10:00,\n"
    "'=1+1,'-x,bob,,,\"2,25\"\n"
    "7,,ann,Skipped,,1\n8,,bob,unsure,,\n"
    "9,None of these,ann,,,\n10,,ann,,,\n"
)


@pytest.mark.parametrize(
    "data",
    [
        FULL.encode(),
        FULL.encode("utf-8-sig"),
        FULL.replace("\n", "\r\n").encode("utf-16"),
        f"sep=;\n{FULL.replace(',', ';').replace('2;25', '2,25')}".encode("utf-8-sig"),
        FULL.replace(",", "\t").replace("2\t25", "2,25").encode(),
        FULL.replace("\n", "\r").encode(),
        f"sep=;\n{FULL.replace(',', ';').replace('2;25', '2,25')}".replace("\n", "\r").encode(),
    ],
    ids=["plain", "mark", "utf-16", "semicolons", "tabs", "old Mac", "old Mac semicolons"],
)
def test_every_cell_is_text_and_every_column_is_read(tmp_path: Path, data: bytes) -> None:
    found = read(saved(tmp_path, data))
    assert (found.format, found.source.tool, found.rejected) == ("CSV", "file", ())
    assert labels(found) == {
        "00012": ("NA",),
        "1e5": ("true",),
        "=1+1": ("-x",),
        "7": None,
        "8": None,
        "9": ("None of these",),
    }
    assert labels(read(saved(tmp_path, data), split=split_classes))["9"] == ()
    first, second, guarded, skipped, unsure, _ = found.answers
    assert (first.annotator, first.seconds, first.answered_at) == ("ann", 3.5, datetime(2026, 5, 1, 10, tzinfo=UTC))
    assert second.answered_at == first.answered_at, "a time without a zone is UTC"
    assert (guarded.annotator, guarded.seconds) == ("bob", 2.25)
    assert guarded.answered_at == datetime(2026, 5, 1, 12, tzinfo=UTC), "when the file was saved"
    assert (skipped.status, unsure.status) == (Status.SKIPPED, Status.UNSURE)
    assert [each.row for each in found.found] == [2, 3, 4, 5, 6, 7]


def test_none_of_these_is_written_as_the_task_writes_it() -> None:
    assert NONE_OF_THESE == open_set.NAME


def test_what_a_file_does_not_state_is_given(tmp_path: Path) -> None:
    path = saved(tmp_path, "row_id,label,batch\n1,cat,\n2,dog,b2\n")
    first, second = read(path, annotator="ann", batch="b1").answers
    assert (first.annotator, first.batch, second.batch) == ("ann", "b1", "b2")


def test_several_labels_in_a_cell(tmp_path: Path) -> None:
    path = saved(tmp_path, 'row_id,label\n1,"dog ,bus"\n2,dog\n3,none of these\n')
    assert labels(read(path, split=split_classes)) == {"1": ("bus", "dog"), "2": ("dog",), "3": ()}
    assert labels(read(path))["1"] == ("dog ,bus",)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_parquet_file(tmp_path: Path, kind: pa.DataType) -> None:
    at = datetime(2026, 5, 1, 10, tzinfo=UTC)
    table = pa.table(
        {
            "label": pa.array(["cat", None, "dog"], pa.string()).cast(kind),
            "row_id": ["01", "2", "3"],
            "seconds": pa.array([1.5, None, None], pa.float32()),
            "answered_at": pa.array([at, None, None], pa.timestamp("ms", tz="UTC")),
            "status": [None, "skipped", None],
        }
    )
    found = read(saved(tmp_path, table, "a.parquet"))
    assert (found.format, labels(found)) == ("parquet", {"01": ("cat",), "2": None, "3": ("dog",)})
    assert (found.answers[0].seconds, found.answers[0].answered_at) == (1.5, at)


def test_a_parquet_file_with_lists_of_labels(tmp_path: Path) -> None:
    table = pa.table({"row_id": [1, 2, 3], "label": [["bus", "dog"], [], None]})
    assert labels(read(saved(tmp_path, table, "a.parquet"), split=split_classes)) == {"1": ("bus", "dog"), "2": ()}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",cat,ann,,,", "answers.csv, row 3: '': 'cat': an answer needs a row_id; fill it in"),
        ("2,cat,ann,done,,", "row 3: '2': 'done': no status called 'done' (have: skipped, submitted, unsure)"),
        ("2,cat,ann,skipped,,", "'cat skipped': a row has either a label or the status skipped or unsure"),
        ("2,,ann,submitted,,", "remove one of both, or fill in what is missing"),
        ("2,cat,ann,,yesterday,", "'yesterday': answered_at must be a time as ISO 8601; write it as 2026-05-01T14:30"),
        ("2,cat,ann,,1/5/2026,", "answered_at must be a time"),
        ("2,cat,ann,,0001-01-01T00:00:00+05:00,", "answered_at must be a time"),
        ("2,cat,ann,,,-1", "'-1': seconds must be a number of at least 0; correct it, or leave it out"),
        ("2,cat,ann,,,nan", "seconds must be a number"),
        ("2,cat,ann,,,soon", "seconds must be a number"),
        ("2,cat,ann,,,1,dog", "'dog': the row has more cells than the header; put a cell that has a delimiter in it"),
    ],
)
def test_a_row_that_does_not_state_an_answer_is_rejected_and_the_rest_is_read(
    tmp_path: Path, row: str, words: str
) -> None:
    found = read(saved(tmp_path, f"{HEADER}1,cat,ann,,,\n{row}\n3,dog,ann,,,\n"))
    assert labels(found) == {"1": ("cat",), "3": ("dog",)}
    (rejected,) = found.rejected
    assert words in str(rejected)


def test_two_answers_of_one_annotator_to_one_row_need_times(tmp_path: Path) -> None:
    found = read(saved(tmp_path, HEADER + "1,cat,ann,,,\n1,dog,ann,,,\n1,dog,bob,,,\n2,cat,ann,,,\n2,cat,ann,,,\n"))
    assert [answer.labels for answer in found.answers] == [("dog",), ("cat",)]
    assert [str(each) for each in found.rejected] == [
        "answers.csv, row 2: '1': 'cat': the same annotator answers the same row otherwise in row 3; keep one of them, "
        "or give each its answered_at",
        "answers.csv, row 3: '1': 'dog': the same annotator answers the same row otherwise in row 2; keep one of them, "
        "or give each its answered_at",
    ]
    dated = HEADER + "1,cat,ann,,2026-05-02,\n1,dog,ann,,2026-05-01,\n1,dog,ann,,,\n"
    assert len(read(saved(tmp_path, dated)).rejected) == 3, "one has no time"
    assert labels(read(saved(tmp_path, dated.rsplit("1,dog,ann,,,", 1)[0]))) == {"1": ("cat",)}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "id,label\n1,cat\n", "a.csv: its first row is 'id,label'; it must name the columns row_id and label"),
        ("a.csv", "", "a.csv: its first row is ''"),
        ("a.csv", "row_id,label\n1,Stra\xdfe\n".encode("cp1252"), "a.csv: not UTF-8 text"),
        ("a.csv", "row_id,label,label\n1,cat,dog\n", "a.csv: has 2 columns called 'label'"),
        ("a.csv", "row_id,label,status,Status\n1,cat,,\n", "a.csv: has 2 columns called 'status'"),
        ("a.csv", 'row_id,label\n1,"red\n2,blue\n', "a.csv: not a CSV file (unexpected end of data); close each quote"),
        ("a.csv", 'row_id,label\n1,"red"der"\n', "a.csv: not a CSV file (',' expected after '\"'); close each quote"),
        ("a.csv", "id,label\r1,cat\r", "a.csv: its first row is 'id,label'; it must name"),
        ("a.parquet", b"PAR1", "a.parquet: not a parquet file, or cut short"),
        ("a.xlsx", b"PK\x03\x04\x00\xff", "a.xlsx: not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    with pytest.raises(DataError) as error:
        read(saved(tmp_path, content, name))
    assert str(error.value).startswith(words)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: cannot be read \(No such file or directory\)"):
        read(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path)


def only(found: Read) -> Answer:
    (answer,) = found.answers
    return answer


def test_the_identity_of_an_answer_is_that_of_the_saved_row(tmp_path: Path) -> None:
    """The same file again is the same event; a changed cell is a later revision of the same answer."""
    first = only(read(saved(tmp_path, "row_id,label\n1,cat\n"), "ann", "b"))
    assert only(read(saved(tmp_path, "label;row_id\ncat;1\n"), "ann", "b")).identity == first.identity
    changed = only(read(saved(tmp_path, "row_id,label\n1,dog\n", at=SAVED + 60), "ann", "b"))
    assert changed.answer_id == first.answer_id
    assert changed.revision > first.revision
    others = [read(tmp_path / "answers.csv", "bob", "b"), read(tmp_path / "answers.csv", "ann", "c")]
    assert len({first.answer_id, *(only(other).answer_id for other in others)}) == 3

"""Files of other annotation tools: Argilla's flattened records and Prodigy's JSON lines."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from labelbench_ray.answers.events import Status
from labelbench_ray.answers.formats import argilla, read
from labelbench_ray.answers.to_show import FileAt, Suggestion, ToShow
from labelbench_ray.errors import DataError
from tests.answers.test_delimited import labels, saved


def record(row_id: str, *responses: tuple[object, str, str | None], **others: object) -> dict:
    """As `records.to_list(flatten=True)` gives it."""
    values, users, statuses = zip(*responses, strict=True) if responses else (None, None, None)
    return {
        "id": row_id,
        "status": "pending",
        "_server_id": "0b6f16f3",
        "text": "a text",
        "label.responses": values and list(values),
        "label.responses.users": users and list(users),
        "label.responses.status": statuses and list(statuses),
        **others,
    }


RECORDS = [
    record("01", ("cat", "u1", "submitted"), ("dog", "u2", "submitted"), batch="b1"),
    record("2", ("cat", "u1", "draft"), (None, "u2", "discarded")),
    record("3", (["bus", "dog"], "u1", "submitted"), **{"label.suggestion": "bus", "label.suggestion.agent": "m1"}),
    record("4"),
]


def test_flattened_records_of_argilla(tmp_path: Path) -> None:
    found = read(saved(tmp_path, json.dumps(RECORDS), "a.json"))
    assert (found.source.tool, found.format, found.rejected) == ("argilla", "Argilla's flattened records", ())
    assert [
        (each.row_id, each.annotator, each.labels, each.status, each.shown, each.batch) for each in found.answers
    ] == [
        ("01", "u1", ("cat",), Status.SUBMITTED, None, "b1"),
        ("01", "u2", ("dog",), Status.SUBMITTED, None, "b1"),
        ("2", "u2", None, Status.SKIPPED, None, ""),
        ("3", "u1", ("bus", "dog"), Status.SUBMITTED, "m1", ""),
    ]
    lines = "\n".join(map(json.dumps, RECORDS))
    assert read(saved(tmp_path, lines, "a.jsonl")).answers[0].identity == found.answers[0].identity


def test_flattened_records_of_argilla_as_parquet(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([RECORDS[0], RECORDS[3]])
    found = read(saved(tmp_path, table, "a.parquet"))
    assert (found.format, [each.labels for each in found.answers]) == (
        "Argilla's records as parquet",
        [("cat",), ("dog",)],
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            record("5", ("cat", "u", "accepted")),
            "'5': 'accepted': no status called 'accepted' (have: discarded,",
        ),
        (record("5", (None, "u", "submitted")), "'5': '': a submitted response needs a label"),
        (record("", ("cat", "u", "submitted")), "the record has no id"),
        (record("5", ("cat", "u", "draft")) | {"label.responses.users": []}, "must be lists of one length; export"),
        (record("5") | {"label.responses": "cat"}, "must be lists of one length"),
        ([1], "a list, not an object; export it again"),
    ],
)
def test_a_record_that_is_not_argilla_s_is_rejected(tmp_path: Path, wrong: object, words: str) -> None:
    found = read(saved(tmp_path, json.dumps([RECORDS[0], wrong]), "a.json"))
    assert len(found.answers) == 2
    (rejected,) = found.rejected
    assert words in str(rejected)
    assert rejected.row == 2


def test_other_forms_of_argilla_are_refused(tmp_path: Path) -> None:
    nested = [{"id": "1", "fields": {"text": "t"}, "responses": {"label": [{"value": "cat"}]}, "suggestions": {}}]
    with pytest.raises(DataError, match=r"lack the status of responses; export .*flatten=True"):
        read(saved(tmp_path, json.dumps(nested), "a.json"))
    several = {f"{name}.responses{suffix}": [] for name in ("topic", "tone") for suffix in ("", ".users", ".status")}
    with pytest.raises(DataError, match="to the questions tone, topic; one question is read: call it 'label'"):
        read(saved(tmp_path, json.dumps([{"id": "1"} | several]), "a.json"))


def test_another_question_is_read_where_it_is_the_only_one(tmp_path: Path) -> None:
    renamed = {key.replace("label.", "topic."): value for key, value in RECORDS[0].items()}
    assert len(read(saved(tmp_path, json.dumps([renamed]), "a.json")).answers) == 2


def test_rows_are_handed_to_argilla() -> None:
    rows = [
        ToShow("01", "a text", 0.5, Suggestion(("cat",), "m1")),
        ToShow("2", FileAt("/pool/2.png"), 1.0, Suggestion(("a", "b"), "m1")),
        ToShow("3", b"\x89PNG\r\n", 1.0),
    ]
    first, second, third = json.loads(argilla.to_json(rows, "shown", "b1"))
    assert first == {
        "id": "01",
        "fields": {"shown": "a text"},
        "metadata": {"batch": "b1", "score": 0.5},
        "suggestions": {"label": {"value": "cat", "agent": "m1"}},
    }
    assert second["fields"] == {"shown": "/pool/2.png"}
    assert second["suggestions"]["label"]["value"] == ["a", "b"]
    assert third["fields"] == {"shown": "data:image/png;base64,iVBORw0K"}  # Argilla's client shows data:image alone
    assert third["suggestions"] == {}


ANN = {"text": "a text", "_annotator_id": "d-ann"}
TASKS = [
    {
        "text": "t",
        "row_id": "01",
        "accept": ["cat"],
        "answer": "accept",
        "_annotator_id": "d-ann",
        "_timestamp": 1_777_600_000,
    },
    {
        "text": "t",
        "meta": {"row_id": "2", "batch": "b1"},
        "accept": ["a", "b"],
        "answer": "accept",
        "_session_id": "d-bob",
    },
    {"text": "t", "row_id": "3", "accept": [], "answer": "reject"},
    {"text": "t", "row_id": "4", "accept": [], "answer": "ignore"},
    {"text": "t", "row_id": 5, "label": "cat", "answer": "accept"},
    {
        "text": "t",
        "row_id": "01",
        "accept": ["dog"],
        "answer": "accept",
        "_annotator_id": "d-ann",
        "_timestamp": 1_777_600_009,
    },
]


def lines(*tasks: object) -> str:
    return "".join(f"{json.dumps(task)}\n" for task in tasks)


def test_tasks_of_prodigy(tmp_path: Path) -> None:
    found = read(saved(tmp_path, lines(*TASKS), "a.jsonl"), annotator="me")
    assert (found.source.tool, found.format, found.rejected) == ("prodigy", "Prodigy's JSON lines", ())
    assert labels(found) == {"01": ("dog",), "2": ("a", "b"), "3": (), "4": None, "5": ("cat",)}
    assert [each.annotator for each in found.answers] == ["d-ann", "d-bob", "me", "me", "me"]
    assert found.answers[0].answered_at == datetime.fromtimestamp(1_777_600_009, UTC)
    assert found.answers[1].batch == "b1"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"accept": ["cat"], "answer": "accept", "text": "hello"}, "'hello': the task has no row_id; give each task"),
        ({"row_id": "9", "accept": ["cat"], "answer": "reject"}, "'cat': a rejected choice of options does not state"),
        ({"row_id": "9", "label": "cat", "answer": "reject"}, "'not cat': a rejected label does not state which"),
        ({"row_id": "9", "answer": "accept"}, "the task has neither `accept` nor `label`"),
        (
            {"row_id": "9", "accept": ["x"], "answer": "maybe"},
            "no answer called 'maybe' (have: accept, ignore,",
        ),
        (
            {"row_id": "9", "label": "x", "answer": "accept", "_timestamp": "now"},
            "_timestamp must be seconds",
        ),
        (
            {"row_id": "9", "label": "x", "answer": "accept", "_timestamp": 1e300},
            "_timestamp must be seconds",
        ),
    ],
)
def test_a_task_that_does_not_state_an_answer_is_rejected(tmp_path: Path, wrong: dict, words: str) -> None:
    found = read(saved(tmp_path, lines(TASKS[0], wrong), "a.jsonl"))
    assert len(found.answers) == 1
    (rejected,) = found.rejected
    assert words in str(rejected)


def test_a_broken_line_is_rejected_and_a_broken_list_refused(tmp_path: Path) -> None:
    found = read(saved(tmp_path, lines(TASKS[0]) + '{"row_id": "7", "ans\n', "a.jsonl"))
    assert len(found.answers) == 1
    assert "a.jsonl, row 2: '': '': not JSON (Unterminated string" in str(found.rejected[0])
    with pytest.raises(DataError, match="not JSON, or cut short"):
        read(saved(tmp_path, json.dumps(RECORDS)[:-5], "a.json"))
    with pytest.raises(DataError, match="JSON without answers that are known here"):
        read(saved(tmp_path, '[{"id": 1}]', "a.json"))
    with pytest.raises(DataError, match="not UTF-8 text"):
        read(saved(tmp_path, b'[{"id": "\xff"}]', "a.json"))

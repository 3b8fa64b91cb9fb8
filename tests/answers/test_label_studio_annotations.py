"""Annotations as a real server of version 1.23.2 exported them, and records as no server should send them."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from labelbench_ray.answers.events import Answer, from_table, to_table
from labelbench_ray.answers.fold import row_states
from labelbench_ray.answers.formats import read as read_file
from labelbench_ray.answers.formats.label_studio import TOOL, read_tasks
from labelbench_ray.answers.formats.stated import Read, Source
from labelbench_ray.answers.log import merged
from labelbench_ray.errors import DataError

RECORDED = Path(__file__).parent / "recorded_label_studio"
"""`before` and `export`: all of a project, before and after a correction and a deletion; `partial`: two of its tasks;
`listing`: its tasks as the API lists them; `min`: the menu's JSON-MIN."""
STATES = {
    "row/3": ("disputed", None),
    "row/1": ("part", None),
    "row/2": ("agreed", ["praise"]),
    "row/0": ("unsure", None),
}


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def read(name: str) -> Read:
    return read_file(RECORDED / f"{name}.json")


def of_tasks(tasks: list[Any]) -> Read:
    return read_tasks(Source("x.json", TOOL, datetime(2026, 12, 1, tzinfo=UTC), ""), [*enumerate(tasks, 1)])


def stated(answers: tuple[Answer, ...]) -> list[tuple[Any, ...]]:
    return [(each.row_id, each.annotator, each.labels, each.status.value, each.shown, each.gold) for each in answers]


def task(**annotation: Any) -> dict[str, Any]:
    """A task with one sound annotation, except for these fields."""
    (found,) = [each for each in json.loads(recorded("export")) if each["meta"].get("row_id") == "row/2"]
    (only,) = found["annotations"]
    return found | {"annotations": [only | annotation]}


def test_a_recorded_export_is_read_as_what_people_did():
    found = read("export")
    assert stated(found.answers) == [
        ("row/3", "1", ("question", "bug"), "submitted", "model 7", False),
        ("row/3", "2", ("question",), "submitted", "model 7", False),
        ("row/1", "1", None, "skipped", None, False),
        ("row/1", "2", ("nonsense",), "submitted", None, False),
        ("row/2", "1", ("praise",), "submitted", None, True),
        ("row/0", "1", (), "submitted", None, False),
        ("row/0", "2", None, "unsure", None, False),
    ]
    assert {(each.tool, each.batch, each.seconds) for each in found.answers} == {("label_studio", "batch", 3.5)}
    assert from_table(to_table(found.answers)) == [*found.answers]
    (rejected,) = found.rejected
    assert str(rejected) == (
        "export.json, row 29: '': 'task 29': the task has no row_id in its meta, so it did not come from a campaign; "
        "delete it in Label Studio"
    )


def test_a_correction_is_a_later_revision_of_the_same_answer():
    before, after = ({each.answer_id: each for each in read(name).answers} for name in ("before", "export"))
    (deleted,) = before.keys() - after.keys()
    assert before[deleted].row_id == "row/2"
    (corrected,) = [number for number in after if before[number].revision != after[number].revision]
    assert before[corrected].labels == ("bug",)
    assert after[corrected].labels == ("question",)
    assert before[corrected].revision < after[corrected].revision


def test_full_partial_and_listed_tasks_are_the_same_events_in_any_order():
    before, export, partial, listing = (read(name).answers for name in ("before", "export", "partial", "listing"))
    assert {each.identity for each in listing} == {each.identity for each in export}
    tables = [to_table(answers) for answers in (before, partial, export, listing)]
    log = merged(*tables)
    assert merged(*reversed(tables)).drop_columns("source_sha256") == log.drop_columns("source_sha256")
    assert len(log) == len({each.identity for each in (*before, *export)}) == len(before) + 1
    assert {
        row["row_id"]: (row["state"], row["labels"]) for row in row_states(to_table(export), 2).to_pylist()
    } == STATES


def test_a_draft_is_not_an_answer():
    assert any(each["drafts"] for each in json.loads(recorded("listing")))
    assert "row/5" not in {each.row_id for each in read("listing").answers}


def test_an_annotator_is_a_number_in_every_form():
    (number,) = of_tasks([task(completed_by=2)]).answers
    (user,) = of_tasks([task(completed_by={"id": 2, "email": "ben@example.com"})]).answers
    assert number == user
    assert number.annotator == "2"


def test_what_changes_without_a_time_is_still_another_event():
    one, other = (of_tasks([task(ground_truth=gold)]).answers[0] for gold in (False, True))
    assert one.answered_at == other.answered_at
    assert one.identity != other.identity


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None}, "the annotation has no id"),
        ({"completed_by": None}, "'annotation 12: None': an annotation must have a user; assign it to one"),
        ({"completed_by": {}}, "an annotation must have a user"),
        ({"updated_at": "yesterday"}, "'annotation 12: yesterday': updated_at must be a time with a zone"),
        ({"updated_at": "2026-01-01T00:00:00"}, "updated_at must be a time with a zone"),
        ({"updated_at": 7}, "annotation 12: 7'"),
        ({"result": None}, "the result must be a list of objects"),
        ({"result": ["x"]}, "the result must be a list of objects"),
        ({"result": [{"from_name": "label", "type": "rectanglelabels", "value": {"x": 1}}]},
         "rectanglelabels': the control 'label' must hold choices; correct the label"),
        ({"result": [{"from_name": "label", "value": {"choices": [1]}}]}, "must hold choices"),
    ],
)  # fmt: skip
def test_an_annotation_that_cannot_be_used_is_named_and_the_others_are_kept(change: dict, words: str):
    found = of_tasks([task(**change), task()])
    assert len(found.answers) == 1
    (rejected,) = found.rejected
    assert (rejected.row, rejected.row_id) == (25, "row/2")
    assert words in str(rejected)


@pytest.mark.parametrize("seconds", [None, -1, "3", True, float("nan"), float("inf"), 10**400])
def test_a_working_time_that_is_none_is_left_out(seconds: Any):
    (answer,) = of_tasks([task(lead_time=seconds)]).answers
    assert answer.seconds is None


def test_a_prediction_of_another_model_that_was_shown_is_noted():
    shown = {"result": [{}], "model_version": "theirs"}
    assert of_tasks([task(prediction=shown)]).answers[0].shown == "theirs"
    assert of_tasks([task(prediction=shown | {"result": []})]).answers[0].shown is None


def test_other_controls_of_the_page_are_not_ours():
    other = {"from_name": "quality", "type": "rating", "value": {"rating": 4}}
    result = [other, *task()["annotations"][0]["result"]]
    assert of_tasks([task(result=result)]).answers[0].labels == ("praise",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (recorded("export")[:-300], "not JSON, or cut short"),
        (b"[" * 100_000, "not JSON, or cut short"),
        (b"[]", "JSON without answers that are known here"),
        (b"[1]", "JSON without answers that are known here"),
        (recorded("min"), "Label Studio's JSON-MIN lacks skipped tasks; export the project as JSON"),
    ],
)
def test_a_file_that_is_not_an_export_is_refused_in_one_line(data: bytes, words: str, tmp_path: Path):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read_file(tmp_path / "x.json")
    assert str(caught.value).startswith("x.json: ")
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_not_a_task_among_tasks_is_named_and_the_others_are_kept(tmp_path: Path):
    tasks = json.loads(recorded("partial"))
    (tmp_path / "x.json").write_text(json.dumps([1, {"id": 7}, *tasks]))
    found = read_file(tmp_path / "x.json")
    assert len(found.answers) == len(read("partial").answers)
    assert [each.row for each in found.rejected] == [1, 7]


def test_reading_changes_nothing():
    tasks = json.loads(recorded("export"))
    before = copy.deepcopy(tasks)
    of_tasks(tasks)
    assert tasks == before

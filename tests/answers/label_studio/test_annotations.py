"""Annotations as a real server of version 1.23.2 exported them, and records as no server should send them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from labelbench_ray.answers.events import Answer, from_table, to_table
from labelbench_ray.answers.fold import row_states
from labelbench_ray.answers.label_studio.annotations import Annotations, of_tasks, read_export
from labelbench_ray.answers.log import merged
from labelbench_ray.errors import DataError

RECORDED = Path(__file__).parent / "recorded"
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


def read(name: str) -> Annotations:
    return read_export(f"{name}.json", recorded(name), "campaign")


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
    (refused,) = found.refused
    assert refused.reason == (
        "task 29, annotation 16: the task has no row_id in its meta; it did not come from a campaign, "
        "so delete it there"
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


def test_a_task_of_another_campaign_is_refused_by_name():
    found = read_export("x.json", recorded("export"), "other")
    assert found.answers == ()
    assert "of the campaign 'campaign', and this one is 'other'" in found.refused[0].reason


def test_an_annotator_is_a_number_in_every_form():
    (number,) = of_tasks([task(completed_by=2)], "").answers
    (user,) = of_tasks([task(completed_by={"id": 2, "email": "ben@example.com"})], "").answers
    assert number == user
    assert number.annotator == "2"


def test_what_changes_without_a_time_is_still_another_event():
    one, other = (of_tasks([task(ground_truth=gold)], "").answers[0] for gold in (False, True))
    assert one.answered_at == other.answered_at
    assert one.identity != other.identity


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": None}, "has no id"),
        ({"completed_by": None}, "nobody completed it; assign it to a user"),
        ({"completed_by": {}}, "nobody completed it"),
        ({"updated_at": "yesterday"}, "updated at 'yesterday', not a time with a zone"),
        ({"updated_at": "2026-01-01T00:00:00"}, "not a time with a zone"),
        ({"updated_at": 7}, "updated at 7, not a time"),
        ({"result": None}, "its result is NoneType, not a list"),
        ({"result": ["x"]}, "a result that is not an object"),
        ({"result": [{"from_name": "label", "type": "rectanglelabels", "value": {"x": 1}}]},
         "the control 'label' holds 'rectanglelabels', not choices"),
        ({"result": [{"from_name": "label", "value": {"choices": [1]}}]}, "not choices"),
    ],
)  # fmt: skip
def test_an_annotation_that_cannot_be_used_is_named_and_the_others_are_kept(change: dict, words: str):
    found = of_tasks([task(**change), task()], "")
    assert len(found.answers) == 1
    (refused,) = found.refused
    assert refused.row_id == "row/2"
    assert words in refused.reason
    assert refused.reason.startswith("task 25, annotation ")


@pytest.mark.parametrize("seconds", [None, -1, "3", True, float("nan"), float("inf"), 10**400])
def test_a_working_time_that_is_none_is_left_out(seconds: Any):
    (answer,) = of_tasks([task(lead_time=seconds)], "").answers
    assert answer.seconds is None


def test_a_prediction_of_another_model_that_was_shown_is_noted():
    shown = {"result": [{}], "model_version": "theirs"}
    assert of_tasks([task(prediction=shown)], "").answers[0].shown == "theirs"
    assert of_tasks([task(prediction=shown | {"result": []})], "").answers[0].shown is None


def test_other_controls_of_the_page_are_not_ours():
    other = {"from_name": "quality", "type": "rating", "value": {"rating": 4}}
    result = [other, *task()["annotations"][0]["result"]]
    assert of_tasks([task(result=result)], "").answers[0].labels == ("praise",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON, or cut short"),
        (recorded("export")[:-300], "not JSON, or cut short"),
        (b"\xff\xfe", "not JSON, or cut short"),
        (b"[" * 100_000, "not JSON, or cut short"),
        (b"{}", "not a list of tasks"),
        (b"[1]", "not a list of tasks"),
        (recorded("min"), "export as JSON, not as JSON-MIN"),
    ],
)
def test_a_file_that_is_not_an_export_is_refused_in_one_line(data: bytes, words: str):
    with pytest.raises(DataError, match=words) as caught:
        read_export("x.json", data)
    assert str(caught.value).startswith("x.json: ")
    assert len(str(caught.value).splitlines()) == 1


def test_reading_changes_nothing():
    tasks = json.loads(recorded("export"))
    before = copy.deepcopy(tasks)
    of_tasks(tasks, "")
    assert tasks == before

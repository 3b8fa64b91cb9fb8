"""Annotations of Label Studio, as its JSON export and its API have them.

Only that form keeps everything: JSON-MIN and CSV drop skipped tasks, and hold several choices in another form than one.
Drafts are not answers. An answer is identified by the annotation's number, its revisions by their time and content.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import JsonValue

from labelbench_ray.answers.events import Answer, Status
from labelbench_ray.answers.formats.json_records import Record
from labelbench_ray.answers.formats.stated import Found, Read, Rejected, RowError, Source, Unanswered
from labelbench_ray.answers.label_studio.project import LABEL, UNSURE
from labelbench_ray.answers.label_studio.tasks import BATCH, MODEL, ROW_ID
from labelbench_ray.answers.revisions import revision
from labelbench_ray.config import digest

TOOL: Final = "label_studio"
FORMAT: Final = "Label Studio's JSON export"
AGAIN: Final = "export the project again, as JSON"
MOST_SECONDS: Final = 1e9


def is_task(record: Record) -> bool:
    """Whether a record looks like a task of the JSON export."""
    return isinstance(record.get("annotations"), list) and isinstance(record.get("data"), dict)


def is_minimal(record: Record) -> bool:
    """Whether a record looks like one of JSON-MIN, which lacks skipped tasks."""
    return {"annotation_id", "annotator", "lead_time"} <= record.keys()


def read_tasks(source: Source, records: Sequence[tuple[int, Record | str]]) -> Read:
    """The answers in tasks, in their order; a row of what is rejected is the task's number in Label Studio."""
    found: list[Found] = []
    rejected: list[Rejected] = []
    unanswered: list[Unanswered] = []
    for place, record in records:
        task = {} if isinstance(record, str) else record
        number = task["id"] if isinstance(task.get("id"), int) else place
        annotations = task.get("annotations")
        if annotations == []:
            unanswered += _unanswered(record)
        for annotation in annotations if isinstance(annotations, list) else [record]:
            try:
                found.append(Found(number, _answer(annotation, _Task.of(record), source.sha256)))
            except RowError as error:
                rejected.append(Rejected(source.name, number, error.row_id, error.value, error.rule, error.fix))
    return Read(source, FORMAT, tuple(found), tuple(rejected), tuple(unanswered))


def _unanswered(record: Record | str) -> Iterator[Unanswered]:
    """A task without annotations, if it is one of a campaign's."""
    with suppress(RowError):
        task = _Task.of(record)
        yield Unanswered(task.row_id, "", task.batch)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a task states of its row."""

    row_id: str
    batch: str
    model: str

    @classmethod
    def of(cls, record: Record | str) -> "_Task":
        if isinstance(record, str):
            raise RowError("", "", record, AGAIN)
        meta = record.get("meta")
        if not isinstance(meta, dict) or not isinstance(meta.get(ROW_ID), str):
            rule = "the task has no row_id in its meta, so it did not come from a campaign"
            raise RowError("", f"task {record.get('id')}", rule, "delete it in Label Studio")
        return cls(meta[ROW_ID], str(meta.get(BATCH) or ""), str(meta.get(MODEL) or ""))


def _answer(annotation: object, task: _Task, source_sha256: str) -> Answer:
    if not isinstance(annotation, dict):
        raise RowError(task.row_id, str(annotation)[:40], "an annotation must be an object", AGAIN)
    if annotation.get("id") is None:
        raise RowError(task.row_id, "", "the annotation has no id", AGAIN)
    try:
        return _checked_answer(annotation, task, source_sha256)
    except RowError as error:
        value = f"annotation {annotation['id']}: {error.value}"
        raise RowError(task.row_id, value, error.rule, error.fix) from error


def _checked_answer(annotation: Mapping[str, Any], task: _Task, source_sha256: str) -> Answer:
    moment = _time(annotation)
    status, labels = _stated(annotation)
    answer = Answer(
        row_id=task.row_id,
        annotator=_annotator(annotation.get("completed_by")),
        labels=labels,
        status=status,
        answered_at=moment,
        seconds=_seconds(annotation.get("lead_time")),
        answer_id=str(annotation["id"]),
        revision="",
        batch=task.batch,
        shown=_shown(annotation.get("prediction"), task.model),
        gold=annotation.get("ground_truth") is True,
        tool=TOOL,
        source_sha256=source_sha256,
    )
    return replace(answer, revision=revision(moment, _content(answer)))


def _content(answer: Answer) -> str:
    """Distinguishes contents of one moment: some menus of Label Studio change an annotation and not its time."""
    labels: JsonValue = None if answer.labels is None else [*answer.labels]
    stated: list[JsonValue] = [answer.row_id, answer.annotator, labels, answer.status, answer.seconds, answer.batch]
    return digest([*stated, answer.gold, answer.shown])


def _stated(annotation: Mapping[str, Any]) -> tuple[Status, tuple[str, ...] | None]:
    """What the annotator did, and the classes where there is an answer."""
    if annotation.get("was_cancelled"):
        return Status.SKIPPED, None
    chosen = dict(_choices(annotation.get("result")))
    if UNSURE in chosen:
        return Status.UNSURE, None
    return Status.SUBMITTED, chosen.get(LABEL, ())


def _choices(result: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each control of ours that the annotator used, with what was chosen; others of the same page are theirs."""
    for item in result if isinstance(result, list) else [None]:
        if not isinstance(item, dict):
            raise RowError("", str(result)[:40], "the result must be a list of objects", AGAIN)
        if (control := item.get("from_name")) not in (LABEL, UNSURE):
            continue
        value = item.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise RowError("", str(item.get("type")), f"the control {control!r} must hold choices", "correct the label")
        if choices:
            yield control, tuple(dict.fromkeys(choices))


def _time(annotation: Mapping[str, Any]) -> datetime:
    """When it was given or changed last."""
    stated = annotation.get("updated_at") or annotation.get("created_at")
    try:
        moment = datetime.fromisoformat(str(stated))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RowError("", str(stated)[:40], "updated_at must be a time with a zone", AGAIN)


def _annotator(completed_by: object) -> str:
    """The user's number, which every form of the API states; some state the e-mail address, too."""
    user = completed_by.get("id") if isinstance(completed_by, dict) else completed_by
    if not isinstance(user, int | str) or isinstance(user, bool) or user == "":
        raise RowError("", str(completed_by)[:40], "an annotation must have a user", "assign it to one, or delete it")
    return str(user)


def _seconds(lead_time: object) -> float | None:
    """Working time; None where the tool has none."""
    if not isinstance(lead_time, int | float) or isinstance(lead_time, bool) or not 0 <= lead_time < MOST_SECONDS:
        return None
    return float(lead_time)


def _shown(prediction: object, model: str) -> str | None:
    """The model whose prediction the annotator saw: the task states it, or a prediction with a result.

    A listing of tasks has no predictions of annotations, and one without a result holds the order of the batch alone.
    """
    if model:
        return model
    if not isinstance(prediction, dict) or not prediction.get("result"):
        return None
    return str(prediction.get("model_version") or "unknown")

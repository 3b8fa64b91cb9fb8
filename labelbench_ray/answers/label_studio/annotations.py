"""Annotations of Label Studio, as its JSON export has them, as answers.

Only that form keeps everything: JSON_MIN and CSV drop skipped tasks, and the type of several choices depends on the
row. Drafts are not answers. Class names are not checked here: Label Studio stores any text, and `ingest` refuses those
that the campaign does not know.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from pydantic import JsonValue

from labelbench_ray.answers.events import Answer, Status
from labelbench_ray.answers.label_studio.project import LABEL, UNSURE
from labelbench_ray.answers.label_studio.tasks import BATCH, CAMPAIGN, MODEL, ROW_ID
from labelbench_ray.answers.revisions import revision
from labelbench_ray.config import digest
from labelbench_ray.errors import DataError

TOOL: Final = "label_studio"
MOST_SECONDS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be used, in words: where, the value, the rule and the fix."""

    row_id: str
    """"" where it is not known."""
    reason: str


@dataclass(frozen=True, slots=True)
class Annotations:
    """What an export holds."""

    answers: tuple[Answer, ...]
    refused: tuple[Refused, ...]


class _WrongError(Exception):
    """Ends the reading of one annotation."""


def read_export(name: str, data: bytes, campaign: str | None = None) -> Annotations:
    """The answers in a JSON export, in its order.

    Args:
        name: the file, as errors name it.
        data: its content.
        campaign: refuses tasks of any other campaign; None takes all.

    Raises:
        DataError: it is not the JSON export of Label Studio.
    """
    try:
        tasks = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON, or cut short ({error}); export it again as JSON") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{name}: not a list of tasks; export it from Label Studio again, as JSON")
    if not all("annotations" in task for task in tasks):
        raise DataError(f"{name}: its tasks have no annotations of their own; export as JSON, not as JSON-MIN")
    return of_tasks(tasks, sha256(data).hexdigest(), campaign)


def of_tasks(tasks: list[dict[str, Any]], source_sha256: str, campaign: str | None = None) -> Annotations:
    """The answers in tasks of an export or of a listing."""
    answers: list[Answer] = []
    refused: list[Refused] = []
    for task in tasks:
        annotations = task.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            row_id = ""
            try:
                meta = _meta(task, campaign)
                row_id = meta[ROW_ID]
                answers.append(_answer(annotation, meta, source_sha256))
            except _WrongError as wrong:
                number = annotation.get("id") if isinstance(annotation, dict) else None
                refused.append(Refused(row_id, f"task {task.get('id')}, annotation {number}: {wrong}"))
    return Annotations(tuple(answers), tuple(refused))


def _meta(task: Mapping[str, Any], campaign: str | None) -> dict[str, str]:
    meta = task.get("meta")
    if not isinstance(meta, dict) or not isinstance(meta.get(ROW_ID), str):
        raise _WrongError("the task has no row_id in its meta; it did not come from a campaign, so delete it there")
    found = {key: str(meta.get(key, "")) for key in (ROW_ID, BATCH, CAMPAIGN, MODEL)}
    if campaign is not None and found[CAMPAIGN] != campaign:
        raise _WrongError(
            f"of the campaign {found[CAMPAIGN]!r}, and this one is {campaign!r}; ingest it there (--campaign)"
        )
    return found


def _answer(annotation: object, meta: Mapping[str, str], source_sha256: str) -> Answer:
    if not isinstance(annotation, dict):
        raise _WrongError("not an object; export the project again as JSON")
    if annotation.get("id") is None:
        raise _WrongError("has no id, so it was imported and not given here; export the project again")
    moment = _time(annotation)
    status, labels = _stated(annotation)
    answer = Answer(
        row_id=meta[ROW_ID],
        annotator=_annotator(annotation.get("completed_by")),
        labels=labels,
        status=status,
        answered_at=moment,
        seconds=_seconds(annotation.get("lead_time")),
        answer_id=str(annotation["id"]),
        revision=revision(moment),
        batch=meta[BATCH],
        shown=_shown(annotation.get("prediction"), meta[MODEL]),
        gold=annotation.get("ground_truth") is True,
        tool=TOOL,
        source_sha256=source_sha256,
    )
    return replace(answer, revision=revision(moment, _content(answer)))


def _content(answer: Answer) -> str:
    """Distinguishes contents of one moment: some menus of Label Studio change an annotation and not its time."""
    labels: JsonValue = None if answer.labels is None else [*answer.labels]
    return digest(
        [
            answer.row_id,
            answer.annotator,
            labels,
            answer.status,
            answer.seconds,
            answer.batch,
            answer.gold,
            answer.shown,
        ]
    )


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
    if not isinstance(result, list):
        raise _WrongError(f"its result is {type(result).__name__}, not a list; export the project again as JSON")
    for item in result:
        if not isinstance(item, dict):
            raise _WrongError("a result that is not an object; export the project again as JSON")
        if (control := item.get("from_name")) not in (LABEL, UNSURE):
            continue
        value = item.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise _WrongError(f"the control {control!r} holds {item.get('type')!r}, not choices; correct the label")
        if choices:
            yield control, tuple(choices)


def _time(annotation: Mapping[str, Any]) -> datetime:
    """When it was given or changed last."""
    stated = annotation.get("updated_at") or annotation.get("created_at")
    try:
        moment = datetime.fromisoformat(str(stated))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _WrongError(f"updated at {stated!r}, not a time with a zone; export the project again as JSON")
    return moment.astimezone(UTC)


def _annotator(completed_by: object) -> str:
    """The user's number, which every form of the API states; some state the e-mail address, too."""
    user = completed_by.get("id") if isinstance(completed_by, dict) else completed_by
    if not isinstance(user, int | str) or isinstance(user, bool) or user == "":
        raise _WrongError("nobody completed it; assign it to a user, or delete it")
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

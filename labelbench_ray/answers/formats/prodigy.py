"""Prodigy's JSON lines, as `prodigy db-out` writes them: one task a line with its `answer`.

The row id is the field `row_id` of the task or of its `meta`. With the interface `choice`, `accept` lists the chosen
options; with one label a task, `label` is the label that was accepted. `ignore` is a skip. A rejected choice without an
option is "none of these"; a rejected label does not state which class the row has, and is rejected here too.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from labelbench_ray.answers.events import Status
from labelbench_ray.answers.formats.json_records import Record, row_id_of, text_of
from labelbench_ray.answers.formats.stated import Rejected, RowError, Stated
from labelbench_ray.answers.label_studio.pictures import MOST_EMBEDDED, file_of, limited
from labelbench_ray.answers.to_show import FileAt, ToShow
from labelbench_ray.errors import unknown

ANSWERS: Final = ("accept", "reject", "ignore")
WEB: Final = ("http://", "https://")
"""Addresses that a browser opens."""


def is_prodigy(record: Record) -> bool:
    """Whether a record looks like a task of Prodigy."""
    return "answer" in record and ("accept" in record or "label" in record or "_task_hash" in record)


def stated_rows(
    name: str, records: list[tuple[int, Record | str]], annotator: str, batch: str
) -> Iterator[Stated | Rejected]:
    """What the tasks state; `annotator` and `batch` stand for what a task does not state."""
    for number, record in records:
        try:
            if isinstance(record, str):
                raise RowError("", "", record, "export it again")
            yield _stated(number, record, annotator, batch)
        except RowError as error:
            yield Rejected(name, number, error.row_id, error.value, error.rule, error.fix)


def _stated(number: int, record: Record, annotator: str, batch: str) -> Stated:
    meta = record["meta"] if isinstance(record.get("meta"), dict) else {}
    row_id = row_id_of(record.get("row_id", meta.get("row_id")))
    if not row_id.strip():
        rule = "the task has no row_id"
        raise RowError(
            row_id, text_of(record.get("text"))[:80], rule, "give each task its row_id as a field or in meta"
        )
    labels, status = _labels(row_id, record)
    return Stated(
        row=number,
        row_id=row_id,
        annotator=text_of(record.get("_annotator_id") or record.get("_session_id")) or annotator,
        labels=labels,
        status=status,
        answered_at=_time(row_id, record.get("_timestamp")),
        batch=text_of(record.get("batch", meta.get("batch"))) or batch,
    )


def _labels(row_id: str, record: Record) -> tuple[tuple[str, ...] | None, Status]:
    answer, accepted, label = text_of(record.get("answer")), record.get("accept"), text_of(record.get("label"))
    if answer not in ANSWERS:
        raise RowError(row_id, answer, unknown("answer", answer, ANSWERS), "export the tasks again, unchanged")
    if answer == "ignore":
        return None, Status.SKIPPED
    if isinstance(accepted, list):
        chosen = tuple(dict.fromkeys(map(text_of, accepted)))
        if answer == "reject" and chosen:
            rule = "a rejected choice of options does not state which class the row has"
            raise RowError(row_id, ", ".join(chosen), rule, "choose the right options and accept, or ignore the task")
        return chosen, Status.SUBMITTED
    if not label:
        fix = "use the interface `choice`, or tasks with a label"
        raise RowError(row_id, answer, "the task has neither `accept` nor `label`", fix)
    if answer == "reject":
        rule = "a rejected label does not state which class the row has"
        raise RowError(row_id, f"not {label}", rule, "ask with the interface `choice`")
    return (label,), Status.SUBMITTED


def _time(row_id: str, timestamp: Any) -> datetime | None:  # noqa: ANN401  whatever JSON holds
    if timestamp is None:
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        rule = "_timestamp must be seconds since 1970"
        raise RowError(row_id, text_of(timestamp)[:40], rule, "export the tasks again, unchanged") from error


def to_json_lines(rows: Iterable[ToShow], field: str, classes: Sequence[str], batch: str) -> bytes:
    """Rows to label as tasks of the interface `choice`; the same rows give the same bytes.

    Prodigy keeps `row_id` and `batch` in what it exports. They are not in `meta`, which annotators are shown.

    Args:
        rows: in the order in which people are asked. Prodigy does not read files of tasks, so these hold them.
        field: what shows the row: "text", "image" or "audio".
        classes: the options.
        batch: the id of the batch.

    Raises:
        ConfigError: a file cannot be read here, or is too large for a task.
    """
    options = [{"id": name, "text": name} for name in classes]
    tasks = [{field: _shown(row), "options": options, "row_id": row.row_id, "batch": batch} for row in rows]
    return "".join(f"{json.dumps(task, ensure_ascii=False)}\n" for task in tasks).encode(errors="backslashreplace")


def _shown(row: ToShow) -> str:
    if isinstance(row.payload, str):
        return row.payload
    if isinstance(row.payload, FileAt) and row.payload.location.startswith(WEB):
        return row.payload.location
    rule = f"a task takes up to {MOST_EMBEDDED:,}; make a pool of smaller files, or label batch.csv"
    return limited(row, file_of(row, "--to prodigy"), rule)

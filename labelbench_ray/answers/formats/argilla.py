"""Argilla: the records that `dataset.records.to_list(flatten=True)` and the parquet of `to_datasets()` hold.

A flattened record has three lists side by side for a question: `label.responses`, `label.responses.users` and
`label.responses.status`. Nested records lack the status, so they are refused. Rows are handed over as the nested JSON
that `dataset.records.from_json` reads.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from labelbench_ray.answers.events import Status
from labelbench_ray.answers.formats.json_records import Record, row_id_of, text_of
from labelbench_ray.answers.formats.stated import Rejected, RowError, Stated
from labelbench_ray.answers.label_studio.pictures import embedded
from labelbench_ray.answers.to_show import FileAt, ToShow
from labelbench_ray.errors import DataError, unknown

QUESTION: Final = "label"
VALUES, USERS, STATUS = ".responses", ".responses.users", ".responses.status"
STATUSES: Final = {"submitted": Status.SUBMITTED, "discarded": Status.SKIPPED}
DRAFT: Final = "draft"
EXPORT: Final = "export dataset.records.to_list(flatten=True) as JSON"


def is_flattened(names: Iterable[str]) -> bool:
    """Whether these are the names of a flattened record's fields."""
    return any(name.endswith(STATUS) for name in names)


def is_nested(record: Record) -> bool:
    """Whether a record is one of Argilla's in the form that lacks the status of responses."""
    return "fields" in record and isinstance(record.get("responses"), dict)


def stated_rows(
    name: str, records: list[tuple[int, Record | str]], annotator: str, batch: str
) -> Iterator[Stated | Rejected]:
    """What the responses state; a draft is not an answer. `annotator` and `batch` stand for what records do not state.

    Raises:
        DataError: the records have responses to several questions, and none is called "label".
    """
    question = _question(name, [record for _, record in records if not isinstance(record, str)])
    for number, record in records:
        try:
            if isinstance(record, str):
                raise RowError("", "", record, "export it again")
            responses = list(_responses(record, question))
        except RowError as error:
            yield Rejected(name, number, error.row_id, error.value, error.rule, error.fix)
            continue
        for response in responses:
            try:
                if response[2] != DRAFT:
                    yield _stated(number, record, question, response, annotator, batch)
            except RowError as error:
                yield Rejected(name, number, error.row_id, error.value, error.rule, error.fix)


def _question(name: str, records: list[Record]) -> str:
    found = {key.removesuffix(STATUS) for record in records for key in record if key.endswith(STATUS)}
    if QUESTION in found or not found:
        return QUESTION
    if len(found) > 1:
        raise DataError(
            f"{name}: responses to the questions {', '.join(sorted(found))}; one question is read: call it {QUESTION!r}"
        )
    return found.pop()


def _responses(record: Record, question: str) -> Iterator[tuple[Any, Any, Any]]:
    lists = [record.get(f"{question}{suffix}") or [] for suffix in (VALUES, USERS, STATUS)]
    row_id = row_id_of(record.get("row_id", record.get("id")))
    if not all(isinstance(each, list) for each in lists) or len({len(each) for each in lists}) != 1:
        rule = f"{question}{VALUES}, {USERS[1:]} and {STATUS[1:]} must be lists of one length"
        raise RowError(row_id, text_of(lists[0])[:80], rule, EXPORT)
    if not row_id.strip():
        raise RowError(row_id, "", "the record has no id", "give each record the row's id as its id")
    yield from zip(*lists, strict=True)


def _stated(
    number: int, record: Record, question: str, response: tuple[Any, Any, Any], annotator: str, batch: str
) -> Stated:
    value, user, status = response
    row_id = row_id_of(record.get("row_id", record.get("id")))
    if status not in STATUSES:
        known = (*STATUSES, DRAFT)
        raise RowError(row_id, text_of(status), unknown("status", text_of(status), known), EXPORT)
    labels = tuple(dict.fromkeys(map(text_of, value if isinstance(value, list) else [value])))
    if status == "submitted" and (value is None or "" in labels):
        raise RowError(row_id, text_of(value), "a submitted response needs a label", "correct it in Argilla")
    is_shown = record.get(f"{question}.suggestion") is not None
    return Stated(
        row=number,
        row_id=row_id,
        annotator=text_of(user) or annotator,
        labels=labels if status == "submitted" else None,
        status=STATUSES[status],
        batch=text_of(record.get("batch")) or batch,
        shown=text_of(record.get(f"{question}.suggestion.agent")) if is_shown else None,
    )


def to_json(rows: Iterable[ToShow], field: str, batch: str) -> bytes:
    """Rows to label as Argilla's nested JSON; the same rows give the same bytes.

    Args:
        rows: images given as bytes become data URIs; files are named by where they are: Argilla's client reads them.
        field: the dataset's field that shows the row: "text" or "image".
        batch: the id of the batch, kept as metadata beside the row's score.
    """
    records = [
        {
            "id": row.row_id,
            "fields": {field: _shown(row)},
            "metadata": {"batch": batch, "score": row.score},
            "suggestions": {}
            if row.suggestion is None
            else {QUESTION: {"value": _value(row.suggestion.labels), "agent": row.suggestion.model}},
        }
        for row in rows
    ]
    return json.dumps(records, ensure_ascii=False, indent=1).encode(errors="backslashreplace")


def _value(labels: tuple[str, ...]) -> str | list[str]:
    return labels[0] if len(labels) == 1 else list(labels)


def _shown(row: ToShow) -> str:
    if isinstance(row.payload, FileAt):
        return row.payload.location
    if isinstance(row.payload, str):
        return row.payload
    return embedded(row.payload)

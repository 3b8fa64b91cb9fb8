"""Files of answers, recognized by their content: CSV, parquet, and what Argilla, Label Studio and Prodigy export."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.answers.formats import argilla, delimited, label_studio, prodigy
from labelbench_ray.answers.formats.json_records import Record, is_json, read_records
from labelbench_ray.answers.formats.stated import FILE, Read, Rejected, Source, Stated, Unanswered, answers_of
from labelbench_ray.errors import DataError

Rows = Iterator[Stated | Rejected] | Iterator[Stated | Unanswered | Rejected]


def read(path: Path, annotator: str = "", batch: str = "", split: delimited.Split = delimited.one_class) -> Read:
    """The answers in a file, and the rows of it that do not state one.

    Args:
        path: the file; its name is the one in messages.
        annotator: who answered, where the file does not state it.
        batch: the batch that asked, where the file does not state it.
        split: what a cell of labels of a CSV or parquet file states: `delimited.one_class` or `split_classes`.

    Raises:
        DataError: it is not there, or not a file of answers.
    """
    try:
        saved_at, data = datetime.fromtimestamp(path.stat().st_mtime, UTC), path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give the path of a file of answers") from error
    digest = sha256(data).hexdigest()
    if (tasks := _tasks(path.name, data)) is not None:
        return label_studio.read_tasks(Source(path.name, label_studio.TOOL, saved_at, digest), tasks)
    tool, form, rows = _recognized(path.name, data, annotator, batch, split)
    return answers_of(Source(path.name, tool, saved_at, digest), form, rows)


def _tasks(name: str, data: bytes) -> list[tuple[int, Record | str]] | None:
    """The tasks of Label Studio's export, whose annotations have identities of their own; None for another file."""
    records = read_records(name, data) if is_json(data) else []
    objects = [record for _, record in records if not isinstance(record, str)]
    if any(map(label_studio.is_minimal, objects)):
        raise DataError(f"{name}: Label Studio's JSON-MIN lacks skipped tasks; export the project as JSON")
    return records if any(map(label_studio.is_task, objects)) else None


def _recognized(name: str, data: bytes, annotator: str, batch: str, split: delimited.Split) -> tuple[str, str, Rows]:
    """The tool that wrote a file, its format in words, and what its rows state."""
    if data.startswith(delimited.PARQUET):
        records = _flattened(name, data)
        if records is not None:
            return "argilla", "Argilla's records as parquet", argilla.stated_rows(name, records, annotator, batch)
        return FILE, "parquet", delimited.stated_rows(name, data, annotator, batch, split)
    if not is_json(data):
        return FILE, "CSV", delimited.stated_rows(name, data, annotator, batch, split)
    records = read_records(name, data)
    objects = [record for _, record in records if not isinstance(record, str)]
    if any(map(argilla.is_flattened, objects)):
        return "argilla", "Argilla's flattened records", argilla.stated_rows(name, records, annotator, batch)
    if any(map(prodigy.is_prodigy, objects)):
        return "prodigy", "Prodigy's JSON lines", prodigy.stated_rows(name, records, annotator, batch)
    if any(map(argilla.is_nested, objects)):
        raise DataError(f"{name}: Argilla's nested records lack the status of responses; {argilla.EXPORT}")
    raise DataError(
        f"{name}: JSON without answers that are known here: Argilla's flattened records have label.responses.status, "
        "Label Studio's tasks have annotations, Prodigy's have answer; export one of these, or a CSV with the columns "
        "row_id,label"
    )


def _flattened(name: str, data: bytes) -> list[tuple[int, Record | str]] | None:
    """The records of a parquet file of Argilla's; None for another file."""
    try:
        buffer = pa.BufferReader(data)
        if not argilla.is_flattened(pq.read_schema(buffer).names):
            return None
        return list(enumerate(pq.read_table(buffer).to_pylist(), 1))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{name}: not a parquet file, or cut short ({error}); write it again") from error

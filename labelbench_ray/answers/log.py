"""`answers.parquet`: all events of a campaign, each once, in canonical order.

The file depends on the events alone, never on the order in which they came: the same events in any order, any grouping
and any number of repetitions give the same bytes. Nothing is ever removed; a correction and a retraction are events.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelbench_ray.answers.events import SCHEMA, Answer, to_table
from labelbench_ray.answers.ordering import ordered, starts
from labelbench_ray.errors import DamagedError, DataError, OtherVersionError
from labelbench_ray.storage.locks import locked
from labelbench_ray.storage.tables import write_table

IDENTITY: Final = ("tool", "answer_id", "revision")
SOURCE: Final = "source_sha256"
CONTENT: Final = tuple(name for name in SCHEMA.names if name != SOURCE)
"""What an event states, wherever it was read."""
FORMAT: Final = "1"
RESTORE: Final = "restore it from a copy, or delete it and ingest the files of all answers again"


@dataclass(frozen=True, slots=True)
class Appended:
    """What came of events that were appended."""

    added: int
    repeated: int
    """Events that the log had, or that were given several times."""


@dataclass(frozen=True, slots=True)
class AnswerLog:
    """The log in a file, which may not exist yet."""

    path: Path

    def read(self) -> pa.Table:
        """All events, rows of `SCHEMA` in canonical order: by tool, answer and revision.

        Raises:
            DamagedError: the file is cut short or altered.
            OtherVersionError: it is sound, in a format of another version.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return SCHEMA.empty_table()
        return _table(self.path, data)

    def content_hash(self) -> str:
        """Equal for logs of the same events, wherever the events were read from."""
        return content_hash(self.read())

    def append(self, answers: Iterable[Answer]) -> Appended:
        """Add the events that the log does not have; the file is replaced at once, or not at all.

        Raises:
            DataError: two events of one identity differ in content; names both. Nothing is added.
        """
        return self.append_table(to_table(answers))

    def append_table(self, events: pa.Table) -> Appended:
        """The same for rows of `SCHEMA`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_name(f".{self.path.name}.lock")) as lock:
            before = self.read()
            after = merged(before, events)
            if not after.equals(before):
                lock.check()
                write_table(self.path, after, {"format": FORMAT, "content": content_hash(after)})
        added = len(after) - len(before)
        return Appended(added, len(events) - added)


def merged(*tables: pa.Table) -> pa.Table:
    """The events of all tables, each once, in canonical order; of an event's sources, the smallest hash stays.

    Raises:
        DataError: two events of one identity differ in content.
    """
    events = pa.concat_tables(tables).select(SCHEMA.names).cast(SCHEMA)
    _refuse_seconds(events)
    rows = ordered(events, (*IDENTITY, SOURCE))
    repeats_N = ~starts(rows, IDENTITY)
    if not repeats_N.any():
        return rows
    places_R = np.flatnonzero(repeats_N)
    _refuse_conflicts(rows.take(pa.array(places_R - 1)), rows.take(pa.array(places_R)))
    return rows.filter(pa.array(~repeats_N)).combine_chunks()


def content_hash(events: pa.Table) -> str:
    """SHA-256 of identities and contents of events in canonical order, independent of any library's file format."""
    digest = sha256(f"{FORMAT} {len(events)}".encode())
    for name in CONTENT:
        column = events.column(name)
        digest.update(name.encode())
        if pa.types.is_list(column.type):
            digest.update(_bytes(pc.fill_null(pc.list_value_length(column), -1)))
            column = pc.list_flatten(column)
        digest.update(_bytes(pc.is_valid(column)))
        digest.update(_text_bytes(column) if pa.types.is_string(column.type) else _bytes(_numbers(column)))
    return digest.hexdigest()


def _numbers(column: Any) -> Any:  # noqa: ANN401  pyarrow has no types
    return pc.fill_null(column if pa.types.is_floating(column.type) else column.cast(pa.int64()), 0)


def _bytes(column: Any) -> bytes:  # noqa: ANN401
    return np.ascontiguousarray(column.to_numpy()).tobytes()


def _text_bytes(column: Any) -> bytes:  # noqa: ANN401
    """Lengths of the texts, then the texts."""
    texts = pc.fill_null(column, "")
    parts = [_bytes(pc.binary_length(texts).cast(pa.int32()))]
    for chunk in texts.chunks:
        _, bounds, data = chunk.buffers()
        if len(chunk) and data is not None:
            bounds_N = np.frombuffer(bounds, np.int32, len(chunk) + 1, 4 * chunk.offset)
            parts.append(data.slice(bounds_N[0], bounds_N[-1] - bounds_N[0]).to_pybytes())
    return b"".join(parts)


def _refuse_seconds(events: pa.Table) -> None:
    seconds = events.column("seconds")
    is_wrong = pc.fill_null(pc.or_(pc.invert(pc.is_finite(seconds)), pc.less(seconds, 0)), False)
    if pc.any(is_wrong).as_py():
        row = events.filter(is_wrong).slice(0, 1).to_pylist()[0]
        raise DataError(
            f"answer {row['answer_id']!r} of row {row['row_id']!r}: {row['seconds']} seconds of work; it must be a "
            "number of at least 0, or nothing"
        )


def _refuse_conflicts(one: pa.Table, other: pa.Table) -> None:
    if one.select(CONTENT).equals(other.select(CONTENT)):
        return
    for first, second in zip(one.to_pylist(), other.to_pylist(), strict=True):
        if names := [name for name in CONTENT if first[name] != second[name]]:
            stated = ", ".join(f"{name} {first[name]!r} and {second[name]!r}" for name in names)
            raise DataError(
                f"answer {first['answer_id']!r} of {first['tool']!r}, revision {first['revision']!r}: two records "
                f"differ ({stated}); one revision of an answer has one content: ingest the tool's own export, unchanged"
            )


def _table(path: Path, data: bytes) -> pa.Table:
    try:
        table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise DamagedError(f"{path}: not a parquet file, or cut short ({error}); {RESTORE}") from error
    stated = table.schema.metadata or {}
    form = stated.get(b"format", FORMAT.encode())
    if form != FORMAT.encode():
        raise OtherVersionError(
            f"{path}: format {form[:20]!r}, this version reads {FORMAT}; nothing is wrong with the file: "
            "install the version of labelbench_ray that wrote it"
        )
    table = table.replace_schema_metadata(None)
    if not table.schema.equals(SCHEMA):
        names = ", ".join(table.column_names)[:200]
        raise DamagedError(f"{path}: its columns are {names}, not those of answers; {RESTORE}")
    if stated.get(b"content") != content_hash(table).encode():
        raise DamagedError(f"{path}: its hash does not match its content; {RESTORE}")
    return table

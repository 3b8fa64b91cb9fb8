"""Answers as people save them: CSV from spreadsheets and scripts, and parquet. Every cell is read as text.

A CSV may begin with a byte-order mark or `sep=;`, may use commas, semicolons or tabs, CRLF, and quotes; its columns may
stand in any order, and others than those that are asked for are ignored. Spaces around cells are ignored, too, unless
these are ids of rows: a pool may have "a" and " a".

Several classes of a row stand in one cell with commas between them, as in `bus, dog`; a class with a comma or a quote
in its name stands in double quotes, and a quote in it twice, as a CSV file has it.
"""

import codecs
import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.answers.events import Status
from labelbench_ray.answers.formats.stated import (
    NONE_OF_THESE,
    Rejected,
    RowError,
    Stated,
    Unanswered,
    gold_of,
    seconds_of,
    time_of,
)
from labelbench_ray.errors import DataError, unknown
from labelbench_ray.storage.spreadsheets import unguarded

ROW_ID, LABEL = "row_id", "label"
REQUIRED: Final = (ROW_ID, LABEL)
OPTIONAL: Final = ("annotator", "status", "answered_at", "seconds", "batch", "gold")
DELIMITERS: Final = (",", ";", "\t")
SEVERAL: Final = ","
"""Between the classes of a row that has several, as in "bus, dog"."""
Split = Callable[[str, str], tuple[str, ...]]
"""(row id, cell) -> the classes in the cell; `RowError` where it holds none that can be read."""
FIRST_ROW: Final = 2
"""A spreadsheet's number of the row below the header."""
LINE_END: Final = re.compile("\r\n|\r|\n")
PARQUET: Final = b"PAR1"
STATUSES: Final = (Status.SUBMITTED, Status.SKIPPED, Status.UNSURE)


def stated_rows(
    name: str, data: bytes, annotator: str, batch: str, split: Split
) -> Iterator[Stated | Unanswered | Rejected]:
    """What the rows of a CSV or parquet file state; a row without a label and a status is not an answer.

    Args:
        name: the file, as messages name it.
        data: its content.
        annotator: who answered, where no column states it.
        batch: the batch that asked, where no column states it.
        split: what a cell of labels states: `one_class` or `split_classes`.

    Raises:
        DataError: it is not a CSV or parquet file with the columns row_id and label.
    """
    for number, cells in enumerate(read_cells(name, data, REQUIRED, OPTIONAL), FIRST_ROW):
        row_id, (label, who, status, at, seconds, whose, gold, surplus) = cells[0], map(str.strip, cells[1:])
        if not (label or status):
            yield Unanswered(row_id, who or annotator, whose or batch)
            continue
        try:
            if surplus:
                rule = "the row has more cells than the header"
                raise RowError(row_id, surplus, rule, "put a cell that has a delimiter in it into quotes")
            labels, stated = _labels(row_id, label, status, split)
            yield Stated(
                row=number,
                row_id=row_id,
                annotator=who or annotator,
                labels=labels,
                status=stated,
                answered_at=time_of(row_id, at),
                seconds=seconds_of(row_id, seconds),
                batch=whose or batch,
                gold=gold_of(row_id, gold, stated),
            )
        except RowError as error:
            yield Rejected(name, number, error.row_id, error.value, error.rule, error.fix)


def _labels(row_id: str, label: str, status: str, split: Split) -> tuple[tuple[str, ...] | None, Status]:
    if not row_id.strip():
        raise RowError(row_id, label, "an answer needs a row_id", "fill it in, or remove the row")
    stated = Status(status.lower()) if status.lower() in STATUSES else None
    if status and stated is None:
        raise RowError(row_id, status, unknown("status", status, STATUSES), "correct the status")
    stated = stated or Status.SUBMITTED
    if (stated is Status.SUBMITTED) != bool(label):
        rule = "a row has either a label or the status skipped or unsure"
        fix = "remove one of both, or fill in what is missing"
        raise RowError(row_id, f"{label} {status}".strip(), rule, fix)
    if not label:
        return None, stated
    return split(row_id, label), stated


def one_class(row_id: str, cell: str) -> tuple[str, ...]:
    """The cell is the name of one class; of one called `none of these`, too."""
    return (cell,)


def split_classes(row_id: str, cell: str) -> tuple[str, ...]:
    """The classes in a cell, sorted: their order states nothing. `none of these` is of no class.

    Raises:
        RowError: as `classes_in_order`.
    """
    return () if cell.lower() == NONE_OF_THESE else tuple(sorted(classes_in_order(row_id, cell)))


def classes_in_order(row_id: str, cell: str) -> tuple[str, ...]:
    """The names between commas.

    Raises:
        RowError: an empty name, one twice, or a quote that is not closed.
    """
    try:
        (parts,) = csv.reader([cell], delimiter=SEVERAL, skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        fix = f"close each quote; only names with {SEVERAL!r} or a quote in them need quotes"
        raise RowError(row_id, cell, f"the classes cannot be read ({error})", fix) from error
    names = tuple(part.strip() for part in parts)
    if not all(names):
        rule = f"an empty name among the classes: {SEVERAL!r} stands between two classes, not before or after them"
        raise RowError(row_id, cell, rule, "remove the comma, or write the class that is missing")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise RowError(row_id, cell, f"the class {twice[0]!r} stands twice", "write each class once")
    return names


def join_classes(names: Iterable[str]) -> str:
    """The cell that `split_classes` reads as these; `none of these` for none."""
    return f"{SEVERAL} ".join(map(_quoted, names)) or NONE_OF_THESE


def _quoted(name: str) -> str:
    if SEVERAL not in name and '"' not in name:
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def read_cells(
    name: str, data: bytes, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, ...]]:
    """The cells of these columns, row by row; "" where an optional column or a cell is missing.

    The last of each row is what stands beyond the columns of the header, usually nothing.

    Raises:
        DataError: it is not a CSV or parquet file with each required column once.
    """
    is_parquet = data.startswith(PARQUET) or name.lower().endswith(".parquet")
    header, rows = _parquet_rows(name, data) if is_parquet else _csv_rows(name, data, required)
    header = [column.strip() for column in header]
    needed = [_place(name, header, column) for column in required]
    places = [*needed, *(_place(name, header, column, least=0) for column in optional)]
    for row in rows:
        cells = ("" if place is None or place >= len(row) else row[place] for place in places)
        yield (*cells, " ".join(row[len(header) :]))


def _csv_rows(name: str, data: bytes, required: Sequence[str]) -> tuple[list[str], Iterable[list[str]]]:
    text = _decoded(name, data)
    first, *rest = LINE_END.split(text, maxsplit=1)
    if first.strip().lower().startswith("sep="):  # states the delimiter, for spreadsheets
        text = "".join(rest)
    try:
        with _long_cells():
            delimiter = _delimiter(name, text, required)
            header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        fix = "close each quote, write a quote in a cell twice, and save it again as CSV UTF-8"
        raise DataError(f"{name}: not a CSV file ({error}); {fix}") from error
    return header, ([unguarded(cell) for cell in row] for row in rows)


def _decoded(name: str, data: bytes) -> str:
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text ({error}); save it as CSV UTF-8") from error


def _delimiter(name: str, text: str, required: Sequence[str]) -> str:
    """The delimiter by which the first row has all required columns."""
    first = LINE_END.split(text, maxsplit=1)[0]
    for delimiter in DELIMITERS:
        header = next(csv.reader([first], delimiter=delimiter), [])
        if {*required} <= {cell.strip().lower() for cell in header}:
            return delimiter
    raise DataError(
        f"{name}: its first row is {first.strip()[:80]!r}; it must name the columns {' and '.join(required)}, as in "
        f"'{','.join(required)}'"
    )


def _place(name: str, header: list[str], column: str, least: int = 1) -> int | None:
    """The place of a column, whatever its case; None where there is none and need not be."""
    found = [place for place, cell in enumerate(header) if cell.lower() == column]
    if not least <= len(found) <= 1:
        raise DataError(f"{name}: has {len(found)} columns called {column!r}; it needs exactly one")
    return found[0] if found else None


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be as long as texts of a pool are; the limit is one of the process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _parquet_rows(name: str, data: bytes) -> tuple[list[str], Iterable[list[str]]]:
    try:
        table = pq.read_table(pa.BufferReader(data))
        columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{name}: not a parquet file, or cut short ({error}); write it again") from error
    return table.column_names, map(list, zip(*columns, strict=True))


def _text(value: Any) -> str:  # noqa: ANN401  whatever a parquet column holds
    """A cell as text: "" for none, and a whole number without the fraction that a column with gaps gives it."""
    if isinstance(value, list):
        return join_classes(map(_text, value))
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

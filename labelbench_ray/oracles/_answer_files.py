"""Answers as people save them: CSV from spreadsheets and scripts, and parquet. Every cell is read as text.

A CSV may begin with a byte-order mark or `sep=;`, may use commas, semicolons or tabs, CRLF, and quotes; its columns may
stand in any order, and others than `row_id` and `label` are ignored.
"""

import codecs
import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.errors import DataError
from labelbench_ray.storage.spreadsheets import unguarded

FOLDER, BATCH = "answers", "batch.csv"
ROW_ID, LABEL = "row_id", "label"
DELIMITERS: Final = (",", ";", "\t")
FIRST_ROW: Final = 2
"""A spreadsheet's number of the row below the header."""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """A label as it stands in a file."""

    file: str
    """Its name below the trial's folder."""
    row: int
    """As a spreadsheet numbers it, the header being row 1."""
    row_id: str
    label: str
    """"" where none is given."""

    @property
    def place(self) -> str:
        """Where it stands, as errors name it."""
        return f"{self.file}, row {self.row}"


@dataclass(frozen=True, slots=True)
class GivenAnswers:
    """All answers in a trial's folder, and the files that cannot be read, a line each."""

    answers: tuple[GivenAnswer, ...]
    unreadable: tuple[str, ...]


def read_answers(directory: Path) -> GivenAnswers:
    """The answers in `answers/`, by file name; and those that people filled into `batch.csv` itself."""
    folder, batch = directory / FOLDER, directory / BATCH
    files = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    named = [(f"{FOLDER}/{path.name}", path) for path in files if not path.name.startswith((".", "~"))]
    answers: list[GivenAnswer] = []
    unreadable: list[str] = []
    for name, path in [*named, *([(BATCH, batch)] if batch.is_file() else [])]:
        try:
            answers += read_file(name, path)
        except DataError as error:
            unreadable.append(str(error))
    return GivenAnswers(tuple(answers), tuple(unreadable))


def read_file(name: str, path: Path) -> list[GivenAnswer]:
    """The rows of one file.

    Raises:
        DataError: it is not a CSV or parquet file with the columns row_id and label.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet") or not path.is_file():
        raise DataError(f"{name}: neither a .csv nor a .parquet file; save it as one, with the columns row_id,label")
    rows = _parquet_rows(name, path.read_bytes()) if suffix == ".parquet" else _csv_rows(name, path.read_bytes())
    return [GivenAnswer(name, number, *row) for number, row in enumerate(rows, FIRST_ROW) if any(map(str.strip, row))]


def _csv_rows(name: str, data: bytes) -> list[tuple[str, str]]:
    text = _decoded(name, data)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # states the delimiter, for spreadsheets
        text = rest
    delimiter = _delimiter(name, text)
    try:
        with _long_cells():
            header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise DataError(f"{name}: not a CSV file ({error}); save it again as CSV UTF-8") from error
    places = [_place(name, [cell.strip() for cell in header], column) for column in (ROW_ID, LABEL)]
    cells = ([row[place] if place < len(row) else "" for place in places] for row in rows)
    return [(unguarded(row_id), unguarded(label)) for row_id, label in cells]


def _decoded(name: str, data: bytes) -> str:
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text ({error}); save it as CSV UTF-8") from error


def _delimiter(name: str, text: str) -> str:
    """The delimiter by which the first row has both columns."""
    first = text.partition("\n")[0]
    for delimiter in DELIMITERS:
        header = next(csv.reader([first], delimiter=delimiter), [])
        if {ROW_ID, LABEL} <= {cell.strip().lower() for cell in header}:
            return delimiter
    raise DataError(
        f"{name}: its first row is {first.strip()[:80]!r}; it must name the columns {ROW_ID} and {LABEL}, as in "
        f"'{ROW_ID},{LABEL}'"
    )


def _place(name: str, header: list[str], column: str) -> int:
    """The place of a column, whatever its case."""
    found = [place for place, cell in enumerate(header) if cell.lower() == column]
    if len(found) != 1:
        raise DataError(f"{name}: has {len(found)} columns called {column!r}; it needs exactly one")
    return found[0]


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be as long as texts of a pool are; the limit is one of the process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _parquet_rows(name: str, data: bytes) -> list[tuple[str, str]]:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{name}: not a parquet file, or cut short ({error}); write it again") from error
    header = [column.strip() for column in table.column_names]
    row_ids, labels = (table.column(_place(name, header, column)).to_pylist() for column in (ROW_ID, LABEL))
    return [(_text(row_id), _text(label)) for row_id, label in zip(row_ids, labels, strict=True)]


def _text(value: Any) -> str:  # noqa: ANN401  whatever a parquet column holds
    """A cell as text: "" for none, and a whole number without the fraction that a column with gaps gives it."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

"""Prompts in parquet files, and the responses to them: in a column beside them, or in a file of their own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labelbench_ray.datasets import Files, Modality, Payload, Records, Rows
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetFiles, check_column, reading
from labelbench_ray.datasets.parquet_columns.payloads import read_payloads
from labelbench_ray.errors import DataError, unknown
from labelbench_ray.storage.spreadsheets import unguarded
from labelbench_ray.tasks.response import not_written
from labelbench_ray.types import Labels

ROW_ID, RESPONSE = "row_id", "response"
RESPONSE_FILES = ("responses.parquet", "responses.csv")


@dataclass(frozen=True)
class PromptTable:
    """Rows of parquet files: a prompt each, and perhaps a response (a `FileTable` and a `RespondedTable`)."""

    files: ParquetFiles
    prompt: str
    """The column of prompts: texts, or lists of chat messages."""
    response: str | None
    """The column of responses; None: there is none."""
    row_id: str | None
    keys_hash: str
    beside: Place | None
    """The file of further responses, by row id; None: there is none."""
    folder: str = field(default="")
    """Where such a file belongs."""

    def __len__(self) -> int:
        return len(self.files)

    def read(self, rows: Rows) -> Records:
        rows_B = np.asarray(rows, np.int64)
        table = self.files.rows(rows_B, [*dict.fromkeys([self.prompt, *([self.row_id] if self.row_id else [])])])
        return Records(self._ids(table, rows_B), as_payloads(table[self.prompt], self.files, rows_B), self.labels(rows))

    def labels(self, rows: Rows) -> Labels:
        """(B, 5) none: responses are looked up where they are paid for."""
        return not_written(len(rows))

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        rows_B = np.asarray(rows, np.int64)
        table = self.files.rows(rows_B, [self.row_id]) if self.row_id else None
        return pa.array(self._ids(table, rows_B), pa.large_string())

    def found_files(self) -> Files:
        sizes, modified = np.array(self.files.states, np.int64).T
        return Files(pa.array(self.files.names, pa.large_string()), sizes, modified)

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return self.files.file_numbers(np.asarray(rows, np.int64))

    def labels_hash(self) -> str:
        return self.keys_hash

    def responses(self, rows: Rows) -> list[str | None]:
        """The responses that are written; one in the file beside the prompts comes first."""
        rows_B = np.asarray(rows, np.int64)
        named = [*dict.fromkeys(filter(None, (self.response, self.row_id)))]
        table = self.files.rows(rows_B, named) if named else None
        written = [None] * len(rows_B) if self.response is None or table is None else table[self.response].to_pylist()
        found = [self._beside.get(row_id, each) for row_id, each in zip(self._ids(table, rows_B), written, strict=True)]
        return [each if each and each.strip() else None for each in found]

    def where_to_write(self) -> str:
        column = f"the column {self.response!r} of {self.files.places[0]}, or " if self.response else ""
        return f"{column}{self.folder}/{RESPONSE_FILES[1]} with the columns {ROW_ID} and {RESPONSE}"

    def score(self, rows: Rows, answers: list[str]) -> list[float]:
        """1 for an answer that is the response, apart from spaces around it, else 0."""
        expected = self.responses(rows)
        return [
            float(right is not None and right.strip() == given.strip())
            for right, given in zip(expected, answers, strict=True)
        ]

    @cached_property
    def _beside(self) -> Mapping[str, str | None]:
        return {} if self.beside is None else read_responses(self.beside)

    def _ids(self, table: Any, rows_B: NDArray[np.int64]) -> list[str]:  # noqa: ANN401
        if self.row_id is None:
            return self.files.row_names(rows_B)
        return [str(value) for value in table[self.row_id].to_pylist()]


def as_payloads(column: Any, files: ParquetFiles, rows_B: NDArray[np.int64]) -> list[Payload]:  # noqa: ANN401
    """Prompts as texts; chat messages as JSON. Null is zero bytes, which an encoder rejects with its reason."""
    if not is_messages(column.type):
        return read_payloads(column, Modality.TEXT, files.places_of(rows_B))
    return [b"" if value is None else json.dumps(value, ensure_ascii=False) for value in column.to_pylist()]


def is_messages(kind: Any) -> bool:  # noqa: ANN401
    """Whether a column holds lists of chat messages: structs with role and content."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not lists or not pa.types.is_struct(kind.value_type):
        return False
    return all(kind.value_type.get_field_index(name) >= 0 for name in ("role", "content"))


def check_prompts(files: ParquetFiles, prompt: str, response: str | None) -> None:
    """Refuse files whose prompts are neither texts nor chat messages, or whose responses are no texts."""
    for name in filter(None, (prompt, response)):
        check_column(files, name)
        kind = files.schema.field(name).type
        if not (is_text(kind) or (name == prompt and is_messages(kind)) or pa.types.is_null(kind)):
            what = "prompts are texts, or lists of messages with role and content" if name == prompt else "text"
            raise DataError(f"{files.places[0]}, column {name!r}: holds {kind}; {what}; convert the column")


def is_text(kind: Any) -> bool:  # noqa: ANN401
    """Whether a column holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def read_responses(place: Place) -> dict[str, str | None]:
    """The responses in a file, by row id.

    Raises:
        DataError: a column is missing, or a row has two responses.
    """
    with reading(place):
        if place.name.endswith(".csv"):
            options = pa_csv.ConvertOptions(column_types={ROW_ID: pa.string(), RESPONSE: pa.string()})
            # A response may have several lines.
            parse = pa_csv.ParseOptions(newlines_in_values=True)
            with place.filesystem.open_input_stream(place.path) as stream:
                table = pa_csv.read_csv(stream, parse_options=parse, convert_options=options)
        else:
            table = pq.read_table(place.path, filesystem=place.filesystem)
    for name in (ROW_ID, RESPONSE):
        if name not in table.column_names:
            raise DataError(f"{place}: {unknown('column', name, table.column_names)}")
    row_ids = [unguarded(str(value)) for value in table[ROW_ID].to_pylist()]
    if len(set(row_ids)) < len(row_ids):
        twice = next(row_id for row_id in row_ids if row_ids.count(row_id) > 1)
        raise DataError(f"{place}: row {twice!r} has two responses; keep one of them")
    return dict(zip(row_ids, table[RESPONSE].to_pylist(), strict=True))

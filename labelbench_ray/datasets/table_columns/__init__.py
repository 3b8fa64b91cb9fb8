"""Rows with several columns: typed columns, their payloads as JSON objects, and the roles that columns have."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from labelbench_ray.datasets import Payload, Rows, Split
from labelbench_ray.errors import DataError

READ_ROWS = 4096
LARGEST_EXACT = 2**53


@runtime_checkable
class ColumnTable(Protocol):
    """A table whose rows are numbers and categories in columns, which it knows without making payloads."""

    def column_values(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        """These rows in this order as a pyarrow table: float64 for numbers, large strings for categories, else null."""
        ...


def split_columns(split: Split) -> Any:  # noqa: ANN401
    """The columns of a split's rows; read from their payloads where the table does not have them.

    Raises:
        DataError: a payload is not a JSON object, or a column holds numbers and texts.
    """
    if isinstance(split.table, ColumnTable):
        return split.table.column_values(split.rows)
    values: list[dict[str, float | str | None]] = []
    for start in range(0, len(split), READ_ROWS):
        records = split.read(start, start + READ_ROWS)
        for row_id, payload in zip(records.row_ids, records.payloads, strict=True):
            try:
                values.append(row_values(payload))
            except ValueError as error:
                raise DataError(f"row {row_id!r}: {error}") from error
    names = dict.fromkeys(name for row in values for name in row)
    return pa.table({name: _typed(name, [row.get(name) for row in values]) for name in names})


def payloads(columns: Any) -> list[Payload]:  # noqa: ANN401
    """Each row as a JSON object, its columns in order; a missing value is null."""
    names = columns.column_names
    by_row = zip(*(_plain(columns[name]) for name in names), strict=True)
    return [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in by_row]


def row_values(payload: Payload) -> dict[str, float | str | None]:
    """The values of a payload by column.

    Raises:
        ValueError: it is not a JSON object of numbers, texts and null.
    """
    try:
        row = json.loads(payload, parse_constant=_refuse)
    except (ValueError, RecursionError, TypeError) as error:
        raise ValueError(f"payload is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise ValueError(f"payload is {type(row).__name__}, a row of a table is a JSON object of its columns")
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, float | int | str | None):
            raise ValueError(f"column {name!r} holds {type(value).__name__}; numbers, texts and null are columns")
    try:
        return {name: float(value) if isinstance(value, int) else value for name, value in row.items()}
    except OverflowError as error:
        raise ValueError("a number is too large for a float") from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a finite number")


def _plain(column: Any) -> list[Any]:  # noqa: ANN401
    """Its values for JSON; whole numbers without a point."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [int(each) if each is not None and each.is_integer() and abs(each) < LARGEST_EXACT else each
                for each in values]  # fmt: skip
    return values


def _typed(name: str, values: Sequence[float | str | None]) -> Any:  # noqa: ANN401
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1:
        raise DataError(f"column {name!r} holds numbers and texts; write all of its values in one way")
    return pa.array(values, pa.large_string() if kinds == {str} else pa.float64())

"""JSON lines: one object a line. Numbers and truths are kept as they are written, so that "1e5" and 1e5 stay so."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.row_files.encoding import text_bytes
from labelbench_ray.errors import DataError


class Literal(NamedTuple):
    """A number or a truth as it is written."""

    text: str


def read_json_lines(place: Place) -> Any:  # noqa: ANN401  pyarrow has no types
    """A file of JSON lines as a table of text columns, and of columns of lists of texts; null where there is none.

    A column of objects is left out: no payload and no label is one.

    Raises:
        DataError: not UTF-8, a line that is not one JSON object, a repeated key, a column of several types; names the
            line and the value.
    """
    columns: dict[str, list[Any]] = {}
    kinds: dict[str, tuple[str, int]] = {}
    count = 0
    for number, line in enumerate(bytes(text_bytes(place)).decode().split("\n"), 1):
        if not line.strip():
            continue
        for name, value in _object(place, number, line).items():
            column = columns.setdefault(name, [])
            column += [None] * (count - len(column))
            column.append(_plain(value))
            _check_kind(place, number, name, value, kinds)
        count += 1
    if not count:
        raise DataError(f"{place}: no rows; every split needs at least one row")
    arrays = {
        name: _array(place, name, values + [None] * (count - len(values)), kinds.get(name, ("a text", 0))[0])
        for name, values in columns.items()
        if kinds.get(name, ("a text", 0))[0] != "an object"
    }
    if not arrays:
        raise DataError(f"{place}: its objects have no key with a text, a number or a list; write id, text and label")
    return pa.table(arrays)


def _object(place: Place, number: int, line: str) -> Mapping[str, Any]:
    where = f"{place}, line {number}"
    try:
        value = json.loads(
            line,
            parse_int=Literal,
            parse_float=Literal,
            parse_constant=Literal,
            object_pairs_hook=lambda pairs: _pairs(where, pairs),
        )
    except RecursionError as error:
        raise DataError(f"{where}: nested too deeply; write flat objects") from error
    except json.JSONDecodeError as error:
        whole = number == 1 and line.lstrip()[:1] in "[{"
        fix = "write each row as one object on one line, as in jq -c '.[]'" if whole else "write the line again"
        raise DataError(f"{where}: {error.msg} at column {error.colno} of {line[:60]!r}; {fix}") from error
    if not isinstance(value, dict):
        raise DataError(
            f"{where}: {line[:60]!r} is not an object; write each row as one object on one line, as in jq -c '.[]'"
        )
    return value


def _pairs(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise DataError(f"{where}: the key {name!r} occurs twice in one object; keep one")
    return found


def _check_kind(place: Place, number: int, name: str, value: object, kinds: dict[str, tuple[str, int]]) -> None:
    """Refuse a column that holds texts in some rows and numbers or lists in others: one of them is a mistake."""
    if value is None:
        return
    kind, line = kinds.setdefault(name, (_kind(value), number))
    if kind != _kind(value):
        shown = value.text if isinstance(value, Literal) else value
        raise DataError(
            f"{place}, line {number}, column {name!r}: {_kind(value)}, {str(shown)[:40]!r}, and in line {line} "
            f"{kind}; write one type in all rows"
        )


def _kind(value: object) -> str:
    if isinstance(value, Literal):
        return "a number"
    if isinstance(value, bool):
        return "a truth"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a text"


def _plain(value: object) -> str | list[str] | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, list):
        return [each if isinstance(each, str) else str(_plain(each)) for each in value]
    return value if isinstance(value, str) else None


def _array(place: Place, name: str, values: list[Any], kind: str) -> Any:  # noqa: ANN401
    try:
        return pa.array(values, pa.list_(pa.string()) if kind == "a list" else pa.large_string())
    except UnicodeEncodeError as error:
        row = next(row for row, value in enumerate(values) if _is_broken(value))
        raise DataError(f"{place}, row {row}, column {name!r}: half of a surrogate pair; write the letter") from error


def _is_broken(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts)

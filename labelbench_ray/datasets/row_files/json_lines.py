"""JSON lines: one object a line. Numbers and truths are kept as they are written, so that "1e5" and 1e5 stay so."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import pyarrow as pa

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.row_files.encoding import text_bytes
from labelbench_ray.errors import DataError

LIST = "a list"
NESTED = (f"{LIST} with {LIST}", f"{LIST} with an object")


class Literal(NamedTuple):
    """A number or a truth as it is written."""

    text: str


def read_json_lines(place: Place) -> Any:  # noqa: ANN401  pyarrow has no types
    """A file of JSON lines as a table of text columns, and of columns of lists of texts; null where there is none.

    An empty text is null, too, as an empty cell of a CSV is. A column of objects is left out: no payload and
    no label is one.

    Raises:
        DataError: not UTF-8, a line that is not one JSON object, a repeated key, NaN, a column or a list of several
            types; names the line and the value.
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
            column.append(None if value == "" else _plain(value))  # as an empty cell of a CSV
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
            parse_constant=lambda text: _refuse_constant(where, text),
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


def _refuse_constant(where: str, text: str) -> NoReturn:
    raise DataError(f"{where}: {text} is not JSON; write null for no value, or a number")


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
    try:
        kind = _kind(value)
    except _MixedError as error:
        raise DataError(
            f"{place}, line {number}, column {name!r}: a list with {error}, {_shown(value)}; write one type in all "
            "lists"
        ) from error
    known, line = kinds.setdefault(name, (kind, number))
    if known == LIST and kind.startswith(LIST):
        kinds[name] = (kind, number)
    elif known != kind and not (kind == LIST and known.startswith(LIST)):
        raise DataError(
            f"{place}, line {number}, column {name!r}: {kind}, {_shown(value)!r}, and in line {line} {known}; write "
            "one type in all rows"
        )


class _MixedError(Exception):
    """A list with entries of several types."""


def _kind(value: object) -> str:
    if isinstance(value, Literal):
        return "a number"
    if isinstance(value, bool):
        return "a truth"
    if isinstance(value, list):
        entries = sorted({"a list" if isinstance(each, list) else _kind(each) for each in value if each is not None})
        if len(entries) > 1:
            raise _MixedError(" and ".join(entries))
        return f"{LIST} with {entries[0]}" if entries else LIST
    return "an object" if isinstance(value, dict) else "a text"


def _shown(value: object) -> str:
    plain = _plain(value)
    return (plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))[:40]


def _plain(value: object) -> str | list[Any] | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str) else None


def _array(place: Place, name: str, values: list[Any], kind: str) -> Any:  # noqa: ANN401
    if kind in NESTED:  # a label is none of these; what reads labels names the type
        return pa.nulls(len(values), pa.list_(pa.list_(pa.string())))
    try:
        return pa.array(values, pa.list_(pa.string()) if kind.startswith(LIST) else pa.large_string())
    except UnicodeEncodeError as error:
        row = next(row for row, value in enumerate(values) if _is_broken(value))
        raise DataError(f"{place}, row {row}, column {name!r}: half of a surrogate pair; write the letter") from error


def _is_broken(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts)

"""Records in a JSON file: a list of objects, or one object a line."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labelbench_ray.errors import DataError

Record = Mapping[str, Any]


def is_json(data: bytes) -> bool:
    """Whether a file begins as JSON does."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def read_records(name: str, data: bytes) -> list[tuple[int, Record | str]]:
    """The records with their numbers from 1; a line that is not an object is the reason why.

    Raises:
        DataError: not UTF-8 text, or a list that is not JSON.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text ({error}); export it again") from error
    if text.lstrip().startswith("["):
        return [(number, _record(each)) for number, each in enumerate(_list(name, text), 1)]
    return list(_lines(text))


def _list(name: str, text: str) -> list[Any]:
    try:
        found: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON, or cut short ({error}); export it again") from error
    return found


def _lines(text: str) -> Iterator[tuple[int, Record | str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, _record(json.loads(line))
        except (ValueError, RecursionError) as error:
            yield number, f"not JSON ({error})"


def _record(value: Any) -> Record | str:  # noqa: ANN401  whatever JSON holds
    return value if isinstance(value, dict) else f"a {type(value).__name__}, not an object"


def text_of(value: Any) -> str:  # noqa: ANN401
    """A JSON value as the text of a name: "" for none, and without spaces around it."""
    return row_id_of(value).strip()


def row_id_of(value: Any) -> str:  # noqa: ANN401
    """A JSON value as the id of a row: "" for none. Spaces around it stay: a pool may have "a" and " a"."""
    return (value or "") if value is None or isinstance(value, str) else json.dumps(value)

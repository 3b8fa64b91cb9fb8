"""Records on disk: JSON with a checksum, read back as frozen values or refused by name."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError

from labelbench_ray.config import digest
from labelbench_ray.errors import LedgerError
from labelbench_ray.plugins import Frozen, explain

Value = TypeVar("Value", bound=Frozen)
ROUNDS = "delete it and the rounds after it to run them again"


def sealed(record: Frozen) -> bytes:
    """A record as JSON, with the checksum of its content."""
    content = record.model_dump(mode="json")
    return json.dumps(content | {"checksum": digest(content)}).encode()


def unsealed(kind: type[Value], path: Path, mend: str = ROUNDS) -> Value:
    """The record in a file; `LedgerError` for one that is missing, cut short or altered, with the mend."""
    content = read_json(path, mend)
    checksum = content.pop("checksum", None)
    if checksum != digest(content):
        raise LedgerError(f"{path}: its checksum does not match its content; {mend}")
    return parsed(kind, path, content)


def parsed(kind: type[Value], path: Path, content: dict[str, JsonValue]) -> Value:
    """Content as a value; `LedgerError` names what does not fit."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise LedgerError(f"{path}: {explain(error)}") from error


def read_json(path: Path, mend: str = ROUNDS) -> dict[str, Any]:
    """The object in a JSON file, without NaN or infinities."""
    try:
        content = json.loads(path.read_bytes())
        digest(content)  # refuses NaN and infinities
    except FileNotFoundError as error:
        raise LedgerError(f"{path}: there is no such file; is this a trial's folder?") from error
    except ValueError as error:
        raise LedgerError(f"{path}: is no JSON ({error}); it was cut short or altered; {mend}") from error
    if not isinstance(content, dict):
        raise LedgerError(f"{path}: holds a {type(content).__name__}, not an object; delete it to run the round again")
    return content

"""Records on disk: JSON with a checksum, read back as frozen values or refused by name."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError

from labelbench_ray.config import digest
from labelbench_ray.errors import DamagedError, LedgerError
from labelbench_ray.plugins import Frozen, explain

Value = TypeVar("Value", bound=Frozen)
ROUNDS = "`labelbench run` sets it and the rounds after it aside and runs them again"


def sealed(record: Frozen) -> bytes:
    """A record as JSON, with the checksum of its content."""
    content = record.model_dump(mode="json")
    return json.dumps(content | {"checksum": digest(content)}).encode()


def unsealed(kind: type[Value], path: Path, mend: str = ROUNDS) -> Value:
    """The record in a file; `DamagedError` for one that is missing, cut short or altered, with the mend."""
    content = _read_json(path, mend)
    checksum = content.pop("checksum", None)
    if checksum != digest(content):
        raise DamagedError(f"{path}: its checksum does not match its content; {mend}")
    return _parsed(kind, path, content, mend)


def read_value(kind: type[Value], path: Path, mend: str, version: int | None = None) -> Value:
    """A file without checksum as a value.

    Raises:
        DamagedError: it is missing, no JSON, or does not fit.
        LedgerError: its `format` is another one than `version`.
    """
    content = _read_json(path, mend)
    stated = content.get("format", version)
    if stated != version and isinstance(stated, int):
        raise LedgerError(f"{path}: format {stated}, this version reads {version}; use the version that wrote it")
    return _parsed(kind, path, content, mend)


def _parsed(kind: type[Value], path: Path, content: dict[str, JsonValue], mend: str) -> Value:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise DamagedError(f"{path}: {explain(error)}; {mend}") from error


def _read_json(path: Path, mend: str) -> dict[str, Any]:
    """The object in a JSON file, without NaN or infinities."""
    try:
        content = json.loads(path.read_bytes())
        digest(content)  # refuses NaN and infinities
    except FileNotFoundError as error:
        raise DamagedError(f"{path}: there is no such file; is this a trial's folder?") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: is no JSON ({error}); it was cut short or altered; {mend}") from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path}: holds a {type(content).__name__}, not an object; {mend}")
    return content

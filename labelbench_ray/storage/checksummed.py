"""Records on disk: JSON with a checksum, read back as frozen values or refused by name.

There are two refusals. A damaged file (`DamagedError`) may be set aside by a writer. A file with fields or a format
that this version does not know (`OtherVersionError`) is intact: a newer version wrote it, and only that one can read
it. In a file with a checksum, the checksum must match before a field counts as unknown.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError

from labelbench_ray.config import digest
from labelbench_ray.errors import DamagedError, MissingError, OtherVersionError
from labelbench_ray.plugins import Frozen
from labelbench_ray.plugins.explanations import UNKNOWN_KEY, explain
from labelbench_ray.storage.versions import OURS, versions

Value = TypeVar("Value", bound=Frozen)
ROUNDS = "`labelbench run` sets it and the rounds after it aside and runs them again"
FIRST_FORMAT = 1
"""The format of records that do not state one."""
LONGEST_VERSION = 60
"""Maximum length of a version that a file states."""


def to_checked_json(record: Frozen) -> bytes:
    """A record as JSON, with the checksum of its content."""
    content = record.model_dump(mode="json")
    return json.dumps(content | {"checksum": digest(content)}).encode()


def from_checked_json(kind: type[Value], path: Path, hint: str = ROUNDS) -> Value:
    """The record in a file with a checksum.

    Raises:
        DamagedError: it is missing, cut short or altered; with the fix.
        OtherVersionError: it is intact, and another version wrote it.
    """
    return checked_value_of(kind, path, read_file(path), hint)


def checked_value_of(kind: type[Value], path: Path, data: bytes, hint: str = ROUNDS) -> Value:
    """The same, given what the file holds."""
    content = _json_object(path, data, hint)
    checksum = content.pop("checksum", None)
    if checksum != _digest(path, content, hint):
        raise DamagedError(f"{path}: its checksum does not match its content; {hint}")
    return _parsed(kind, path, content, hint)


def read_value(kind: type[Value], path: Path, hint: str, elsewhere: str = "--runs") -> Value:
    """A file without checksum as a value; `elsewhere`: the option that names another place for such files.

    Raises:
        DamagedError: it is missing, not JSON, or does not fit.
        OtherVersionError: it would fit without fields that this version does not know, or states another format.
    """
    return value_of(kind, path, read_file(path), hint, elsewhere)


def value_of(kind: type[Value], path: Path, data: bytes, hint: str, elsewhere: str = "--runs") -> Value:
    """The same, given what the file holds."""
    content = _json_object(path, data, hint)
    _digest(path, content, hint)
    return _parsed(kind, path, content, hint, elsewhere)


def read_file(path: Path) -> bytes:
    """What a file holds; `MissingError` if it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingError(f"{path}: there is no such file; is this a trial's folder?") from error


def _parsed(
    kind: type[Value], path: Path, content: dict[str, JsonValue], hint: str, elsewhere: str = "--runs"
) -> Value:
    stated, read = content.get("format", FIRST_FORMAT), _format(kind)
    if stated != read and isinstance(stated, int):
        raise _other_version(path, content, f"format {stated}, this version reads {read}", elsewhere)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        if names := _unknown_fields(kind, content):
            what = f"this version does not know {', '.join(map(repr, names))}"
            raise _other_version(path, content, what, elsewhere) from error
        raise DamagedError(f"{path}: {explain(error)}; {hint}") from error


def _format(kind: type[Frozen]) -> JsonValue:
    field = kind.model_fields.get("format")
    return field.default if field else FIRST_FORMAT


def _unknown_fields(kind: type[Frozen], content: dict[str, JsonValue]) -> list[str]:
    """The fields, at any depth, without which the content would be valid; empty if it is invalid for other reasons."""
    rest, names = json.loads(json.dumps(content)), []
    while True:
        try:
            kind.model_validate(rest)
        except ValidationError as error:
            found = error.errors(include_url=False)
            if any(item["type"] != UNKNOWN_KEY for item in found):
                return []
            for item in found:
                holder: Any = rest
                for step in item["loc"]:
                    holder = holder[step]
                key = item["ctx"]["key"]
                del holder[key]
                names.append(".".join(map(str, (*item["loc"], key))))
        else:
            return names


def _other_version(path: Path, content: dict[str, JsonValue], what: str, elsewhere: str) -> OtherVersionError:
    ours, theirs = versions()[OURS], _stated_version(content)
    is_known = theirs not in (None, ours)  # two commits may state the same version
    which = f"{theirs}; this is {ours}" if is_known else f"this is {ours}"
    fix = f"install that version (pip install labelbench-ray=={theirs})" if is_known else "install that version"
    return OtherVersionError(
        f"{path}: was written by another version of labelbench_ray ({which}): {what}; nothing is wrong with the file: "
        f"{fix}, or use another {elsewhere}"
    )


def _stated_version(content: dict[str, JsonValue]) -> str | None:
    """Our version that wrote the file; None if the file does not state one."""
    stated = content.get("versions")
    version = stated.get(OURS) if isinstance(stated, dict) else None
    if not isinstance(version, str) or not 0 < len(version) <= LONGEST_VERSION:
        return None
    return version if version.isascii() and version.isprintable() and " " not in version else None


def _json_object(path: Path, data: bytes, hint: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _not_json(path, error, hint) from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path}: holds a {type(content).__name__}, not an object; {hint}")
    return content


def _digest(path: Path, content: dict[str, Any], hint: str) -> str:
    """The checksum of a file's content; NaN and infinities are refused."""
    try:
        return digest(content)
    except (ValueError, RecursionError) as error:
        raise _not_json(path, error, hint) from error


def _not_json(path: Path, error: Exception, hint: str) -> DamagedError:
    return DamagedError(f"{path}: is not JSON ({error}); it was cut short or altered; {hint}")

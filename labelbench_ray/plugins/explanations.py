"""What is wrong with a setting, in one line."""

from typing import Any, Final

from pydantic import ValidationError

LONGEST_SHOWN: Final = 200
"""Characters of a value in an error."""
UNKNOWN_KEY: Final = "unknown_key"
"""The type of the error for a key that a model does not have; its context names the key."""


def explain(error: ValidationError) -> str:
    """A pydantic error in one line: where, what it must be, what it was."""
    lines = []
    for item in error.errors(include_url=False):
        where = ".".join(str(step) for step in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        was = "" if item["type"] in ("value_error", "missing", UNKNOWN_KEY) else f" (was {_shortly(item['input'])})"
        lines.append(f"{where}: {text}{was}" if where else f"{text}{was}")
    return "; ".join(lines)


def _shortly(value: Any) -> str:  # noqa: ANN401
    """The beginning of a value: it may be a complete damaged file."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."

"""Parts as people write and read them: `margin`, `power(coldness=2)`, `partition(strategy=margin, rows=300)`.

It is what `str(part)` gives, read back. A value is a number, true, false or null (None), a list `[a, b]`, a mapping
`{'key': value}`, another part `name(...)`, text in quotes, or any other text as it stands.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any, Final

from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.plugins.quotes import NUMBER

CALL: Final = re.compile(r"(?P<name>[^\W\d][\w.]*)\s*\((?P<inside>.*)\)", re.DOTALL)
SETTING: Final = re.compile(r"(?P<key>[^\W\d]\w*)\s*=(?P<value>.*)", re.DOTALL)
ENTRY: Final = re.compile(r"""(?P<key>'[^'\\]*'|"[^"\\]*"|[\w.-]+)\s*:(?P<value>.*)""", re.DOTALL)
WORDS: Final = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
CLOSING: Final = {")": "(", "]": "[", "}": "{"}


def parts(text: str, what: str) -> list[Part]:
    """The parts of a list: `margin,power(coldness=2)`; `what` names its origin in errors, such as `--strategies`.

    Raises:
        ConfigError: a name is missing, a bracket is not closed, a setting is not `key=value`.
    """
    return [part(each, what) for each in _pieces(text, what)]


def part(text: str, what: str) -> Part:
    """One part, as `parts` reads each."""
    written = text.strip()
    if not (call := CALL.fullmatch(written)):
        if not written or re.search(r"[\s()\[\]=,'\"]", written):
            raise ConfigError(f"{what}: {text.strip()!r} does not name one; write name or name(setting=value, ...)")
        return Part(name=written)
    settings: dict[str, Any] = {}
    for each in _pieces(call["inside"], what) if call["inside"].strip() else ():
        if not (setting := SETTING.fullmatch(each.strip())):
            raise ConfigError(
                f"{what}: {each.strip()!r} is not a setting of {call['name']}; write name(setting=value, ...)"
            )
        if setting["key"] in settings:
            raise ConfigError(f"{what}: {call['name']} has the setting {setting['key']!r} twice; give it once")
        settings[setting["key"]] = _value(setting["value"].strip(), what)
    return Part.of(call["name"], **settings)


def _value(text: str, what: str) -> Any:  # noqa: ANN401  JSON, or a part
    if text in WORDS:
        return WORDS[text]
    if NUMBER.fullmatch(text):
        return float(text) if re.search(r"[.eE]", text) else int(text)
    if text.startswith("[") and text.endswith("]"):
        inside = text[1:-1].strip()
        return [_value(each.strip(), what) for each in _pieces(inside, what)] if inside else []
    if text.startswith("{") and text.endswith("}"):
        return _mapping(text[1:-1].strip(), what)
    if len(text) > 1 and text[0] in "'\"" and text[0] == text[-1]:
        return _quoted(text, what)
    return part(text, what) if CALL.fullmatch(text) else text


def _mapping(inside: str, what: str) -> dict[str, Any]:
    """`{'far': 'far.csv'}`, as mappings are printed."""
    found: dict[str, Any] = {}
    for each in _pieces(inside, what) if inside else ():
        if not (entry := ENTRY.fullmatch(each.strip())):
            raise ConfigError(f"{what}: {each.strip()!r} is not an entry of a mapping; write {{'key': value}}")
        found[str(_value(entry["key"], what))] = _value(entry["value"].strip(), what)
    return found


def _quoted(text: str, what: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{what}: {text} is not text in quotes; write it as Python would") from error


def _pieces(text: str, what: str) -> Iterator[str]:
    """The pieces between the commas that are in no bracket and in no quotes."""
    start, opened, quote, escaped = 0, [], "", False
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and not escaped else quote
            escaped = letter == "\\" and not escaped
        elif letter in "'\"" and _begins(text, place):
            quote = letter
        elif letter in "([{":
            opened.append(letter)
        elif letter in CLOSING:
            if not opened or opened.pop() != CLOSING[letter]:
                raise ConfigError(f"{what}: {letter!r} closes nothing in {text.strip()!r}; write name(setting=value)")
        elif letter == "," and not opened:
            yield text[start:place]
            start = place + 1
    if opened or quote:
        raise ConfigError(f"{what}: {quote or opened[-1]!r} is not closed in {text.strip()!r}")
    yield text[start:]


def _begins(text: str, place: int) -> bool:
    """Whether a quote here begins a value; one within a word is an apostrophe."""
    before = text[:place].rstrip()
    return not before or before[-1] in "=[,({:"

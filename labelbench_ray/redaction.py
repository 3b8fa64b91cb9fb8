"""What must not be shown of an address: who signs in there, and with what."""

import re
from urllib.parse import unquote

HIDDEN = "***"
USER = re.compile(r"(?<=://)[^\s'\"<>]*@")
"""Greedy: a password may hold a `@` or a `/` that nobody escaped."""
QUERY = re.compile(r"(?i)(?<=[?&;])([\w.-]*(?:password|passwd|secret|token|key|credential)[\w.-]*)=[^&;#\s'\"<>]*")
LEAST = 3
"""Shorter words are no secrets, and hiding them would leave no text."""


def redacted(text: str, address: str = "") -> str:
    """A text without the users and passwords of the addresses in it, nor those of `address` where they stand alone."""
    shown = QUERY.sub(rf"\1={HIDDEN}", USER.sub(f"{HIDDEN}@", text))
    for secret in sorted(_secrets(address), key=len, reverse=True):
        shown = shown.replace(secret, HIDDEN)
    return shown


def _secrets(address: str) -> set[str]:
    passwords = {found[0][:-1].partition(":")[2] for found in USER.finditer(address)}
    passwords |= {found[0].partition("=")[2] for found in QUERY.finditer(address)}
    return {shape for each in passwords for shape in (each, unquote(each)) if len(shape) >= LEAST}

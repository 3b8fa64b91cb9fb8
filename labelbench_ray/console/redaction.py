"""Redaction of credentials in addresses and errors, before they are shown or recorded."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"
USER: Final = re.compile(r"(?<=://)(?!(?<=hf://)(?:datasets/)?[\w.-]+/[\w.-]+@)[^\s'\"<>]{0,2000}@")
"""Greedy: a password may hold an unescaped `@` or `/`. `hf://owner/name@revision` has no user."""
NAME: Final = r"[\w.-]{0,200}"
"""Bounded, so that the time does not grow with the square of a text's length."""
QUERY: Final = re.compile(
    rf"(?i)(?<=[?&;])({NAME}(?:password|passwd|secret|token|key|credential|signature){NAME}|sig)=[^&;#\s'\"<>]*"
)
"""Parameters of addresses; `sig` and the signatures are those of presigned addresses."""
VALUE: Final = r"(?:\"[^\"]*\"|'[^']*'|[^\s'\",;&]+)"
WORDS: Final = r"password|passwd|secret|_token|access_?key(?:_?id)?|api_?key|account_?key|secret_?key|private_?key"
ASSIGNED: Final = re.compile(rf"(?i)(?<![\w.-])({NAME}(?:{WORDS}|token|sharedaccesssignature)|sig)=({VALUE})")
"""`AWS_SECRET_ACCESS_KEY=...`, `AccountKey=...;`: a name that ends in such a word."""
STATED: Final = re.compile(rf"(?i)(['\"]?)(?<![\w.-])({NAME}(?:{WORDS}|sessiontoken))\1(\s*:\s*)({VALUE})")
"""The same in JSON and YAML: `"aws_secret_access_key": "..."`."""
BEARER: Final = re.compile(r"(?i)\b(bearer)(?:\s+|%20)[\w.~+/=-]+")
HEADER: Final = re.compile(
    r"(?i)\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|digest|token)\s+)?(?!bearer)[^\s'\",]+"
)
KEYS: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|"
    r"github_pat_\w{20,}|glpat-[\w-]{20,}|sk-[\w-]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]+)(?![A-Za-z0-9])"
)
"""Keys and tokens with a known form: of AWS, Hugging Face, GitHub, GitLab, and JSON web tokens."""
WEBHOOK: Final = "--webhook"
LEAST: Final = 3
"""Shorter words are not secrets, and hiding them would leave no text."""


def redacted_command(words: Sequence[str]) -> list[str]:
    """The words of a command without secrets; the complete address of a webhook is one."""
    shown = [
        HIDDEN if before == WEBHOOK else f"{WEBHOOK}={HIDDEN}" if word.startswith(f"{WEBHOOK}=") else redacted(word)
        for before, word in zip(["", *words], words, strict=False)
    ]
    return shown


def redacted(text: str, address: str = "") -> str:
    """A text without the secrets that are recognized by their context or form, and without those of `address`."""
    shown = QUERY.sub(rf"\1={HIDDEN}", USER.sub(f"{HIDDEN}@", text))
    shown = HEADER.sub(rf"\1{HIDDEN}", BEARER.sub(rf"\1 {HIDDEN}", shown))
    shown = KEYS.sub(HIDDEN, STATED.sub(rf"\1\2\1\3{HIDDEN}", ASSIGNED.sub(rf"\1={HIDDEN}", shown)))
    for secret in sorted(_secrets(address), key=len, reverse=True):
        shown = shown.replace(secret, HIDDEN)
    return shown


def _secrets(address: str) -> set[str]:
    passwords = {found[0][:-1].partition(":")[2] for found in USER.finditer(address)}
    passwords |= {found[0].partition("=")[2] for found in QUERY.finditer(address)}
    return {shape for each in passwords for shape in (each, unquote(each)) if len(shape) >= LEAST}

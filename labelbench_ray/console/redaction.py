"""What must not be shown or recorded of an address or an error: who signs in, and with what."""

import re
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"
USER: Final = re.compile(r"(?<=://)[^\s'\"<>]{0,2000}@")
"""Greedy: a password may hold a `@` or a `/` that nobody escaped."""
NAME: Final = r"[\w.-]{0,200}"
"""Bounded, so that a long text takes no time that grows with its square."""
QUERY: Final = re.compile(
    rf"(?i)(?<=[?&;])({NAME}(?:password|passwd|secret|token|key|credential|signature){NAME}|sig)=[^&;#\s'\"<>]*"
)
"""Parameters of addresses; `sig` and the signatures are those of addresses that were signed for somebody."""
VALUE: Final = r"(?:\"[^\"]*\"|'[^']*'|[^\s'\",;&]+)"
WORDS: Final = r"password|passwd|secret|_token|access_?key(?:_?id)?|api_?key|account_?key|secret_?key|private_?key"
ASSIGNED: Final = re.compile(rf"(?i)(?<![\w.-])({NAME}(?:{WORDS}|token|sharedaccesssignature)|sig)=({VALUE})")
"""`AWS_SECRET_ACCESS_KEY=...`, `AccountKey=...;`: a name that ends in such a word."""
STATED: Final = re.compile(rf"(?i)(['\"]?)(?<![\w.-])({NAME}(?:{WORDS}|sessiontoken))\1(\s*:\s*)({VALUE})")
"""The same as JSON and YAML have it: `"aws_secret_access_key": "..."`."""
BEARER: Final = re.compile(r"(?i)\b(bearer)(?:\s+|%20)[\w.~+/=-]+")
HEADER: Final = re.compile(
    r"(?i)\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|digest|token)\s+)?(?!bearer)[^\s'\",]+"
)
KEYS: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|"
    r"github_pat_\w{20,}|glpat-[\w-]{20,}|sk-[\w-]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]+)(?![A-Za-z0-9])"
)
"""Keys and tokens that are known by their looks: of AWS, Hugging Face, GitHub, GitLab, and JSON web tokens."""
LEAST: Final = 3
"""Shorter words are no secrets, and hiding them would leave no text."""


def redacted(text: str, address: str = "") -> str:
    """A text without the secrets that are known by their place or looks, nor those of `address` standing alone."""
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

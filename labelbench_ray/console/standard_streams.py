"""Standard input, output and error: kept open, and able to write any text.

Imported first, so it imports nothing heavy.
"""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Final, TextIO

ERASE_LINE, SHOW_CURSOR = "\r\x1b[2K", "\x1b[?25h"
PLAIN: Final = {
    "\u00a0": " ",
    "\u2212": "-",
    "\u2013": "-",
    "\u2019": "'",
    "\u2265": ">=",
    "±": "+-",
    "÷": "/",
    "\u00d7": "x",
}
"""How characters of our own texts are written where the encoding lacks them: a minus sign must not get lost."""
REPLACE: Final = "labelbench.plain"


def open_streams() -> None:
    """Make the standard streams usable.

    A descriptor that was closed (`>&-`) is opened on the null device: otherwise the next file that the process opens
    would take its number, and text meant for people would land in it. A character that the encoding lacks is written as
    in `PLAIN`, others as a question mark, on standard output; standard error has escapes for it already.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    sys.stdout = sys.stdout or _null(1)
    sys.stderr = sys.stderr or _null(2)
    if isinstance(sys.stdout, TextIOWrapper):
        codecs.register_error(REPLACE, _plain)
        sys.stdout.reconfigure(errors=REPLACE)


def drop_unwritable(stream: TextIO) -> OSError | None:
    """Write out what the stream holds. Where that fails, drop it, so that Python's exit does not fail on it again."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def can_erase(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


@contextmanager
def passing_line(words: str) -> Iterator[None]:
    """Show a line on a terminal within the context."""
    shown = bool(words) and can_erase(sys.stdout)
    if shown:
        print(words, end="", flush=True)  # noqa: T201
    try:
        yield
    finally:
        if shown:
            print(ERASE_LINE, end="", flush=True)  # noqa: T201


def _null(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", closefd=False)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(each, "?") for each in error.object[error.start : error.end]), error.end

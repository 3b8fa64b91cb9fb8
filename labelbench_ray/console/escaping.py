"""Names and messages on a terminal: what would move the cursor, set colors or turn the text around is shown as code.

File names, class names, row ids, settings and other programs' errors hold whatever people put there. Control characters
(C0 but for tab and newline, DEL, C1), bidirectional controls, line and paragraph separators and lone surrogates are
written as Python writes them: `\\x1b`, `\\u202e`.
"""

import re
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text without characters that act on a terminal or a page instead of being shown."""
    return UNSAFE.sub(lambda found: _code(found[0]), text)


class SafeConsole(Console):
    """A console of rich's that shows text as it is: escaped, and without markup, since names may hold brackets."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  as rich takes them
        super().__init__(markup=False, emoji=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:  # noqa: ANN401
        """A string as text."""
        return super().render_str(escaped(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Any:  # noqa: ANN401
        """Any part of what is printed, cells of tables and words beside bars included."""
        safe = _escaped_text(renderable) if isinstance(renderable, Text) else renderable
        segments: Any = super().render(safe, options)
        for segment in segments:
            assert isinstance(segment, Segment)
            yield segment


def _escaped_text(text: Text) -> Text:
    """The same with its styles in place."""
    places = [found.start() for found in UNSAFE.finditer(text.plain)]
    if not places:
        return text
    whole = text.blank_copy()
    for piece in text.divide(sorted({cut for place in places for cut in (place, place + 1)})):
        if UNSAFE.fullmatch(piece.plain):
            code = _code(piece.plain)
            spans = [Span(0, len(code), span.style) for span in piece.spans]
            whole.append_text(Text(code, style=piece.style, spans=spans))
        else:
            whole.append_text(piece)
    return whole


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"

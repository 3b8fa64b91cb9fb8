"""Safe names and messages on a terminal: characters that move the cursor, set colors or reverse text are escaped.

File names, class names, row ids, settings and other programs' errors may hold any character. Control characters
(C0 except tab and newline, DEL, C1), bidirectional controls, line and paragraph separators and lone surrogates are
written as Python writes them: `\\x1b`, `\\u202e`.
"""

import re
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Span, Text

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text with characters escaped that would act on a terminal or a page instead of being shown."""
    return UNSAFE.sub(lambda found: _code(found[0]), text)


class SafeConsole(Console):
    """A rich console that shows text literally: escaped, and without markup, since names may hold brackets."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  as rich takes them
        super().__init__(markup=False, emoji=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:  # noqa: ANN401
        """A string as literal text."""
        return super().render_str(escaped(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Any:  # noqa: ANN401
        """Render anything, with the texts in it escaped: cells of tables and words beside bars, too."""
        safe = _escaped_text(renderable) if isinstance(renderable, Text) else renderable
        segments: Any = super().render(safe, options)
        for segment in segments:
            assert isinstance(segment, Segment)
            yield segment


def _escaped_text(text: Text) -> Text:
    """The escaped text, its styles in place."""
    places = [found.start() for found in UNSAFE.finditer(text.plain)]
    if not places:
        return text
    result = text.blank_copy()
    for piece in text.divide(sorted({cut for place in places for cut in (place, place + 1)})):
        if UNSAFE.fullmatch(piece.plain):
            code = _code(piece.plain)
            spans = [Span(0, len(code), span.style) for span in piece.spans]
            result.append_text(Text(code, style=piece.style, spans=spans))
        else:
            result.append_text(piece)
    return result


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"

"""A matplotlib figure as inline SVG that takes its colors and font from the page, for light, dark and print.

Figures are drawn in the light theme's colors; each known color becomes the page's variable of that name.
"""

import html
import io
import re
from typing import Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from labelbench_ray.console.escaping import escaped

INK: Final = "#1f2328"
MUTED: Final = "#59636e"
GRID: Final = "#dfe3e8"
RANDOM: Final = "#767f89"
SERIES: Final = ("#0072b2", "#d55e00", "#008a63", "#a8449a", "#a87b00", "#2f94cc", "#8f1d4f", "#66761a")
"""Okabe and Ito's colors, the light ones darkened to stand on white; no two differ in red and green only."""

VARIABLES: Final = {INK: "--ink", MUTED: "--muted", GRID: "--grid", RANDOM: "--random"} | {
    color: f"--series-{place}" for place, color in enumerate(SERIES)
}
SETTINGS: Final = {"svg.fonttype": "none", "svg.hashsalt": "labelbench", "font.size": 9.0, "axes.unicode_minus": True}

STYLED: Final = re.compile(r'(<[^<>]*?) style="([^"]*)"')
"""A tag with inline style, which the page's policy forbids."""


def inline(figure: Figure, name: str, alt: str) -> str:
    """The figure as an `<svg>` element; `name` keeps its ids apart from other figures', `alt` is its description."""
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "labelbench"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    drawing = escaped(text.getvalue())
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing)
    drawing = re.sub(r'\bid="', f'id="{name}-', drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", drawing)
    drawing = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", drawing))
    drawing = STYLED.sub(lambda found: f"{found[1]}{_attributes(found[2])}", drawing)
    for color, variable in VARIABLES.items():
        drawing = drawing.replace(color, f"var({variable})")
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{html.escape(escaped(alt))}" ', 1).strip()


def _attributes(style: str) -> str:
    """Inline style as attributes of the same names; the font's family is the page's."""
    declared = [each.partition(":") for each in style.split(";") if each.strip()]
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in declared if name.strip() != "font-family")

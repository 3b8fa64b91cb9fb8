"""The look of a strategy in every figure of a report: a color, a dash and a marker, distinct for any usual number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

COLORS: Final = 8
"""Okabe and Ito's, the light ones darkened to stand on white; no two differ in red and green only (see style.css)."""
DASHES: Final = ("", "7 3", "2 2.5", "9 2.5 2 2.5")
MARKERS: Final = (
    "m-2.7 0a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0z",  # circle
    "m-2.4-2.4h4.8v4.8h-4.8z",  # square
    "m0-3.5l3.5 3.5-3.5 3.5-3.5-3.5z",  # diamond
    "m0-3.4l3.3 5.6h-6.6z",  # triangle
    "m0 3.4l3.3-5.6h-6.6z",  # triangle, downward
    "m-1-3.2h2v2.2h2.2v2h-2.2v2.2h-2v-2.2h-2.2v-2h2.2z",  # plus
    "m-3.4 0l5.6-3.3v6.6z",  # triangle, to the left
    "m3.4 0l-5.6-3.3v6.6z",  # triangle, to the right
)
BASELINE_DASH: Final = "5 3"
BOUND_DASH: Final = "3 3"


@dataclass(frozen=True, slots=True)
class Style:
    """How a strategy looks. The baseline has the place 0, the others count from 1."""

    place: int
    color: str
    """The name of a class in style.css."""
    dash: str
    """`stroke-dasharray`; empty for a solid line."""
    marker: str
    """A path around a point; empty for none."""


def styles(strategies: Sequence[str], baseline: str, bounds: Sequence[str] = ()) -> Mapping[str, Style]:
    """A look for each strategy: the first 8 differ in color, the first 32 in color or dash, the first 256 in all.

    `bounds`: upper bounds, which are all dashed and of the color of text.
    """
    others = [name for name in strategies if name != baseline]
    return (
        {baseline: Style(0, "baseline", BASELINE_DASH, "")}
        | {
            name: Style(
                place + 1,
                f"series-{place % COLORS}",
                DASHES[place // COLORS % len(DASHES)],
                MARKERS[(place + place // (COLORS * len(DASHES))) % len(MARKERS)],
            )
            for place, name in enumerate(others)
        }
        | {name: Style(place, "bound", BOUND_DASH, "") for place, name in enumerate(bounds, len(others) + 1)}
    )

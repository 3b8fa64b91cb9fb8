"""The values that a metric can have: ranges by how its name ends, stated where the metric is defined."""

from collections.abc import Mapping
from math import inf
from typing import Final

Range = tuple[float, float]
"""The smallest and the largest value."""
SHARE: Final[Range] = (0.0, 1.0)
AMOUNT: Final[Range] = (0.0, inf)
ANY: Final[Range] = (-inf, inf)


def range_of(metric: str, ranges: Mapping[str, Range]) -> Range:
    """That of the longest ending that is a metric's name or its last words; `ANY` where none is."""
    fits = [ending for ending in ranges if f" {metric}".endswith(f" {ending}")]
    return ranges[max(fits, key=len)] if fits else ANY

"""Main effects and interactions of a full two-level factorial, paired by seed.

With effect coding (low -1, high +1) each effect is one contrast of the cells of a seed, so the seeds' values are a
sample for a t-interval whatever their spread, and no two effects share a part of the cell means. Its unit is that of
the difference it names: a main effect is high less low, averaged over the other factors; an interaction of two is what
one factor adds with the other high, less what it adds with the other low; of three, how much that differs between the
levels of the third. (Letters: S seeds; the axes after it are one factor each, low before high.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from labelbench_ray.report.statistics.paired import Estimate, Floats, estimate, holm


@dataclass(frozen=True, slots=True)
class Effect:
    """A main effect (one factor) or an interaction (several), by the factors' places."""

    factors: tuple[int, ...]
    size: Estimate
    """Its interval is not adjusted for the number of effects."""
    adjusted: float
    """Holm's p over all effects of the factorial."""


def effects(values: Floats) -> tuple[Effect, ...]:
    """All 2^k - 1 effects, main effects first.

    Args:
        values: (S, 2, ..., 2), a value for each seed and cell.

    Raises:
        ValueError: an axis after the first does not have two levels, or there is no such axis.
    """
    levels = values.shape[1:]
    if not levels or set(levels) != {2}:
        raise ValueError(f"cells of shape {levels}: a factorial has two levels of each factor; leave the others out")
    found = [(factors, estimate(contrast(values, factors))) for factors in subsets(len(levels))]
    adjusted_E = holm(np.array([size.p_value for _, size in found]))
    return tuple(Effect(*each, float(adjusted)) for each, adjusted in zip(found, adjusted_E, strict=True))


def contrast(values: Floats, factors: tuple[int, ...]) -> Floats:
    """(S,) the effect in each seed: high less low along these factors, the mean over the others."""
    for axis in range(values.ndim - 1, 0, -1):
        low, high = np.moveaxis(values, axis, 0)
        values = high - low if axis - 1 in factors else (low + high) / 2
    return values


def subsets(factors: int) -> Iterator[tuple[int, ...]]:
    """Every set of factors but the empty one, small ones first."""
    for size in range(1, factors + 1):
        yield from combinations(range(factors), size)

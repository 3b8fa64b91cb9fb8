"""The fidelity of a selector below which the final model is worse than on the labels that it would choose itself.

Each point is a selector at a number of labels in a seed: x, the mean fidelity of the rounds that chose those labels; y,
the final model's accuracy on them less that on the labels of its own choice. Both change with the number of labels, so
a seed's slope comes from selectors at equal numbers alone: least squares around the means at each number. Its line
passes through its overall means. The seeds' lines are a sample: where their mean is 0 is the fidelity that suffices,
and the interval holds every fidelity at which a t-test over the seeds does not distinguish the line from 0 (Fieller).
It is bounded only where the mean slope is itself significant; else no fidelity is identified. (Letters: S seeds, K
selectors, T numbers of labels.)
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from labelbench_ray.report.statistics.paired import Estimate, Floats, critical, estimate


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """What a fidelity is worth. Without a significant slope above 0 there is no `threshold`."""

    slope: Estimate
    """Accuracy for 1.0 of fidelity, at equal numbers of labels."""
    threshold: tuple[float, float, float] | None
    """Where the line is 0, and the ends of the interval; below the lower end the accuracy is significantly lower."""
    least: float
    most: float
    """The range of the fidelities that were measured."""

    @property
    def beyond(self) -> bool:
        """The line is 0 only at fidelities that no selector had."""
        return self.threshold is not None and not self.least <= self.threshold[0] <= self.most


def sufficiency(fidelity_SKT: Floats, lost_SKT: Floats) -> Sufficiency | None:
    """None with fewer than two seeds or selectors, or where either value does not differ between selectors."""
    seeds, selectors, _ = fidelity_SKT.shape
    if seeds < 2 or selectors < 2:
        return None
    around_SKT = fidelity_SKT - fidelity_SKT.mean(axis=1, keepdims=True)
    spread_S = np.square(around_SKT).sum(axis=(1, 2))
    if spread_S.min() <= 1e-12 or not np.ptp(lost_SKT, axis=1).any():
        return None
    slope_S = (around_SKT * lost_SKT).sum(axis=(1, 2)) / spread_S
    start_S = lost_SKT.mean(axis=(1, 2)) - slope_S * fidelity_SKT.mean(axis=(1, 2))
    slope = estimate(slope_S)
    threshold = zero_of_lines(start_S, slope_S) if slope.low > 0 else None
    return Sufficiency(slope, threshold, float(fidelity_SKT.min()), float(fidelity_SKT.max()))


def zero_of_lines(start_S: Floats, slope_S: Floats) -> tuple[float, float, float]:
    """Where the mean of lines is 0, with Fieller's interval; the mean slope must differ significantly from 0."""
    seeds = len(start_S)
    start, slope = float(start_S.mean()), float(slope_S.mean())
    reach = critical(seeds) / sqrt(seeds)
    (of_start, shared), (_, of_slope) = reach**2 * np.cov(start_S, slope_S, ddof=1)
    square, middle, rest = slope**2 - of_slope, start * slope - shared, start**2 - of_start
    half = sqrt(max(0.0, middle**2 - square * rest))
    return -start / slope, float((-middle - half) / square), float((-middle + half) / square)

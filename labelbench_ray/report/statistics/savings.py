"""Label savings at random's highest mean accuracy.

The target is the highest of random's mean accuracies, reached with `random_labels`: what random labels can give within
the budget. Where random's curve rises to its end, that is its final accuracy. Where it falls again, the final accuracy
would be an easier target, which random itself meets earlier, so that a strategy like random would seem to save labels.
The strategy's labels are where the running maximum of its mean curve crosses the target, by linear interpolation.

The interval inverts the paired t-test: a number of labels n is inside unless a t-test over the seeds' differences
(strategy at n less random at `random_labels`) distinguishes them. That is Fieller's idea: it needs no symmetry and no
large sample, needs no random numbers, and yields 'not reached' when no n up to the last is surely above the
target. It runs from the first n that could reach the target to the last that could still lie below it. With several
strategies the test's level is 5 % over their number, so that all their intervals hold at once. In simulations
with five seeds (tests/report/test_report_coverage.py) it covers the true saving in 95 to 98 % of the cases; the
percentile bootstrap over all resamples of five seeds covers 85 %. Where the hits of test rows are known, the test's
variance is that of seeds and rows together, see `two_way`. It is an interval of the strategy's labels, with
`random_labels` taken as measured: where random's curve is flat, noise decides which checkpoint is its highest, and the
saved fraction is less certain than its interval. (Letters: S seeds, T checkpoints.)
"""

from dataclasses import dataclass
from itertools import pairwise
from math import inf, isinf
from typing import Final

import numpy as np

from labelbench_ray.report.statistics.paired import Floats, reaches
from labelbench_ray.report.statistics.two_way import RowNoise

STEPS: Final = 64
"""Steps between two checkpoints at which the interval is sought."""
_EXACT: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Saving:
    """How many labels a strategy needs for random's highest mean accuracy; infinite where it does not get there.

    `low_labels` to `high_labels` is the interval, meaningful with two seeds or more. What is reached at the first
    checkpoint may have been reached before it: `first_labels` is then only an upper bound of the labels.
    """

    target: float
    random_labels: float
    first_labels: float
    last_labels: float
    labels: float
    low_labels: float
    high_labels: float
    seeds: int

    @property
    def reached(self) -> bool:
        """The mean curve gets to the target."""
        return not isinf(self.labels)

    @property
    def at_least(self) -> bool:
        """Reached at the first checkpoint already, so that the saving is a lower bound."""
        return self.labels <= self.first_labels

    @property
    def moot(self) -> bool:
        """Random is at its highest with its first batch already: there is nothing to save."""
        return self.random_labels <= self.first_labels

    @property
    def has_interval(self) -> bool:
        """There is an interval."""
        return self.seeds > 1

    @property
    def falls(self) -> bool:
        """Random ends below its highest mean accuracy."""
        return self.random_labels < self.last_labels

    @property
    def fraction(self) -> float:
        """1 - labels / random's labels; -inf where the target is not reached."""
        return self.part(self.labels)

    def part(self, labels: float) -> float:
        """The saving that this number of labels means."""
        return 1 - labels / self.random_labels


def saving(
    labels_T: Floats,
    strategy_ST: Floats,
    random_ST: Floats,
    comparisons: int = 1,
    noise: RowNoise | None = None,
) -> Saving:
    """The saving of a strategy, its curves paired by seed with random's, at the same checkpoints.

    Args:
        comparisons: how many such intervals must hold at once.
        noise: of the test rows, whose columns are the strategy's checkpoints and then random's.
    """
    best = int(np.argmax(random_ST.mean(axis=0)))
    difference_ST = strategy_ST - random_ST[:, best, None]
    mean_T = difference_ST.mean(axis=0)
    labels = first_crossing(labels_T, mean_T)
    low, high = _interval(labels_T, difference_ST, best, comparisons, noise)
    return Saving(
        target=float(random_ST[:, best].mean()),
        random_labels=float(labels_T[best]),
        first_labels=float(labels_T[0]),
        last_labels=float(labels_T[-1]),
        labels=labels,
        low_labels=min(low, labels),
        high_labels=max(high, labels),
        seeds=len(strategy_ST),
    )


def first_crossing(labels_T: Floats, height_T: Floats) -> float:
    """Where the running maximum first gets to 0: at the first checkpoint, between two, or never (inf)."""
    top_T = np.maximum.accumulate(height_T)
    above_T = top_T >= -_EXACT
    if not above_T.any():
        return inf
    place = int(np.argmax(above_T))
    return float(labels_T[0]) if place == 0 else _between(labels_T, top_T, place)


def last_crossing(labels_T: Floats, height_T: Floats) -> float:
    """From where on the curve stays at 0 or above: at the first checkpoint, between two, or never (inf)."""
    floor_T = np.minimum.accumulate(height_T[::-1])[::-1]
    return first_crossing(labels_T, floor_T)


def _between(labels_T: Floats, height_T: Floats, place: int) -> float:
    below, above = float(height_T[place - 1]), float(height_T[place])
    part = min(1.0, -below / (above - below))
    return float(labels_T[place - 1] + part * (labels_T[place] - labels_T[place - 1]))


def _interval(
    labels_T: Floats, difference_ST: Floats, best: int, comparisons: int, noise: RowNoise | None
) -> tuple[float, float]:
    if len(difference_ST) < 2:
        return float(labels_T[0]), inf
    fine_F = _refine(labels_T)
    weights_FT = np.stack([np.interp(fine_F, labels_T, one_T) for one_T in np.eye(len(labels_T))], axis=1)
    fine_SF = difference_ST @ weights_FT.T
    mean_F = fine_SF.mean(axis=0)
    rows = None
    if noise is not None:
        random_FT = np.zeros_like(weights_FT)
        random_FT[:, best] = 1
        rows = noise.of(np.hstack([weights_FT, -random_FT]))
    reach_F = reaches(fine_SF, comparisons, rows)
    return first_crossing(fine_F, mean_F + reach_F), last_crossing(fine_F, mean_F - reach_F)


def _refine(labels_T: Floats) -> Floats:
    """The checkpoints and steps between them (F), where the seeds' interpolated curves spread less."""
    parts = [np.linspace(start, end, STEPS, endpoint=False) for start, end in pairwise(labels_T)]
    return np.concatenate([*parts, labels_T[-1:]])

"""Seeds and test rows together: how far a mean over both varies, where all seeds are tested on the same rows.

A mean is over S seeds and N rows of values x_sn: 0 or 1 for an accuracy, differences and weighted sums over rounds of
those for a difference and for an area. Seeds and rows are both drawn: x_sn = mean + seed_s + row_n + rest_sn. Then

    Var(mean) = Var(seed) / S + Var(row) / N + Var(rest) / (S N)

and with the mean squares of the two-way layout, whose expectations are N Var(seed) + Var(rest) for seeds, S Var(row) +
Var(rest) for rows and Var(rest) for the rest, it is without bias

    seeds + rows - both = (MS_seed + MS_row - MS_rest) / (S N).

`seeds` is the squared standard error over seeds alone. It includes Var(rest) / (S N), as `rows` does, so what both
have is taken off once. (Seeds and rows drawn anew independently, Owen's pigeonhole bootstrap, AoAS 2007, would count it
three times; no bootstrap is exact here, McCullagh, Bernoulli 2000.) Rows never reduce the variance: `rows - both`
counts as 0 where it is negative. The degrees of freedom are Satterthwaite's: with few seeds the sum may have so many
more of them that its interval is narrower. (Letters: S seeds, C columns such as the rounds of two strategies, N rows, F
contrasts.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EXACT: Final = 2**24
"""Whole numbers below it are exact in float32, and so are sums of as many products of 0 and 1."""


@dataclass(frozen=True, slots=True, eq=False)
class RowParts:
    """What rows add to the variance of F means over the same seeds and rows."""

    rows: int
    seeds: int
    rows_F: Floats
    """The squared standard error over rows alone."""
    both_F: Floats
    """The part of it that the squared standard error over seeds includes as well."""

    @property
    def added_F(self) -> Floats:
        """What comes on top of the squared standard error over seeds."""
        added_F: Floats = np.maximum(self.rows_F - self.both_F, 0)
        return added_F

    def degrees_F(self, seeds_F: Floats, degrees: float) -> Floats:
        """The degrees of freedom of the sum with `seeds_F`, squared standard errors over seeds with `degrees`."""
        others = self.rows - 1.0
        spread_F = np.square(seeds_F) / degrees + np.square(self.rows_F) / others
        spread_F += np.square(self.both_F) / (others * (self.seeds - 1))
        total_F = np.square(seeds_F + self.added_F)
        found_F = np.divide(total_F, spread_F, out=np.full(len(total_F), float(degrees)), where=spread_F > 0)
        # Without a part of the rows, the interval is the one over seeds.
        return np.where(self.added_F > 0, np.maximum(found_F, min(degrees, others)), degrees)


@dataclass(frozen=True, slots=True, eq=False)
class RowNoise:
    """The parts of C columns of hits and of all their weighted sums, over the same S >= 2 seeds and N >= 2 rows."""

    rows: int
    seeds: int
    rows_CC: Floats
    both_CC: Floats

    def of(self, contrasts_FC: Floats) -> RowParts:
        """The parts of weighted sums of the columns."""
        parts = (((contrasts_FC @ part_CC) * contrasts_FC).sum(axis=1) for part_CC in (self.rows_CC, self.both_CC))
        rows_F, both_F = (np.maximum(part_F, 0) for part_F in parts)
        return RowParts(self.rows, self.seeds, rows_F, both_F)


def row_noise(hits: Iterable[NDArray[np.uint8]]) -> RowNoise | None:
    """From each seed's (C, N) hits, 0 or 1; None with fewer than 2 seeds or rows."""
    seeds, rows = 0, 0
    for hits_CN in hits:
        if not seeds:
            rows = hits_CN.shape[1]
            sum_CN = np.zeros(hits_CN.shape, np.float64)
            within_CC = np.zeros((len(hits_CN), len(hits_CN)))
        mean_C = hits_CN.mean(axis=1)
        within_CC += _products(hits_CN) - rows * np.outer(mean_C, mean_C)
        sum_CN += hits_CN
        seeds += 1
    if seeds < 2 or rows < 2:
        return None
    mean_CN = sum_CN / seeds
    mean_CN -= mean_CN.mean(axis=1, keepdims=True)
    across_CC = mean_CN @ mean_CN.T
    rest_CC = (within_CC - seeds * across_CC) / ((seeds - 1) * (rows - 1))
    return RowNoise(rows, seeds, across_CC / (rows * (rows - 1)), rest_CC / (seeds * rows))


def _products(hits_CN: NDArray[np.uint8]) -> Floats:
    """(C, C) how many rows two columns both have right."""
    exact_CN: NDArray[Any] = hits_CN.astype(np.float32 if hits_CN.shape[1] < EXACT else np.float64)
    return np.asarray(exact_CN @ exact_CN.T, np.float64)

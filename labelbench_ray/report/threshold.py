"""An overlap of batches below which the full model's lead over the proxy grows, at equal numbers of labels.

Overlap and gap both change with the number of labels, so over all points together one would predict the other for
any proxy. Both also differ between strategies: random's batches overlap completely, whatever the models. So each point
is compared only with other trials of its setting, strategy and full model at the same number of labels, and p comes
from exchanging the overlaps of whole trials among those: that keeps the number of labels, and what the points of one
trial have in common. (Letters: R trials, L numbers of labels, C breakpoints that are tried.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import factorial, prod
from typing import Final

import numpy as np

from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.paired import LEVEL, Floats

OVERLAP: Final = "Fidelity Batch Overlap"
GAP: Final = "Fidelity Accuracy Gap"
ENOUGH_POINTS: Final = 12
"""The number of (trial, round) points from which on a threshold is sought."""
LEAST_SIDE: Final = 3
"""The number of points that must lie on each side of it."""
EXCHANGES: Final = 999
MOST_BREAKS: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Trials of one setting and strategy that were measured at the same numbers of labels, beside one full model."""

    labels: tuple[int, ...]
    overlap_RL: Floats
    gap_RL: Floats


@dataclass(frozen=True, slots=True)
class Threshold:
    """A gap that grows below an overlap, among trials with equal numbers of labels.

    `p_value` is None where nothing can be known: too few trials share their numbers of labels. `overlap` is None where
    p is 5 % or more.
    """

    points: int
    p_value: float | None
    overlap: float | None
    slope: float
    """How much the gap grows for each 0.1 of overlap below it."""


def blocks(settings: Iterable[Setting]) -> tuple[Block, ...]:
    """Every trial and round that has both overlap and gap."""
    found: dict[tuple[int, str, str, tuple[int, ...]], list[list[tuple[float, float]]]] = {}
    for place, setting in enumerate(settings):
        for run in setting.runs:
            for recipe in run.finetunes:
                measured = _measured(run, recipe)
                if measured:
                    found.setdefault((place, run.strategy, recipe, tuple(measured)), []).append(list(measured.values()))
    return tuple(
        Block(labels, *np.moveaxis(np.array(pairs, np.float64), 2, 0)) for (*_, labels), pairs in found.items()
    )


def threshold(every: tuple[Block, ...]) -> Threshold | None:
    """The one that explains the gaps best; None with too few points."""
    points = sum(block.gap_RL.size for block in every)
    if points < ENOUGH_POINTS:
        return None
    comparable = [block for block in every if len(block.gap_RL) > 1]
    unknown = Threshold(points, None, None, 0.0)
    if prod(factorial(len(block.gap_RL)) for block in comparable) * (1 - LEVEL) < 1:
        return unknown
    breaks_C = _breaks(np.concatenate([block.overlap_RL.ravel() for block in comparable]))
    below = [_centered(np.maximum(0, breaks_C[:, None, None] - block.overlap_RL)) for block in comparable]
    spread_C = sum((np.square(below_CRL).sum(axis=(1, 2)) for below_CRL in below), np.zeros(len(breaks_C)))
    known_C = spread_C > 1e-12
    if not known_C.any():
        return unknown
    products = [
        np.einsum("crl,sl->crs", below_CRL[known_C], _centered(block.gap_RL))
        for below_CRL, block in zip(below, comparable, strict=True)
    ]
    shared_C = sum((np.trace(product_CRR, axis1=1, axis2=2) for product_CRR in products), np.zeros(known_C.sum()))
    best = int(np.argmax(_explained(shared_C, spread_C[known_C])))
    p_value = _exchanged(products, shared_C, spread_C[known_C])
    slope = float(shared_C[best] / spread_C[known_C][best])
    return Threshold(points, p_value, float(breaks_C[known_C][best]) if p_value < 1 - LEVEL else None, slope / 10)


def _measured(run: Run, recipe: str) -> dict[int, tuple[float, float]]:
    """Number of labels -> overlap and gap."""
    return {
        labels: (record.metrics[OVERLAP], record.metrics[GAP])
        for labels, record in sorted(run.finetunes[recipe].items())
        if OVERLAP in record.metrics and GAP in record.metrics
    }


def _breaks(overlap_P: Floats) -> Floats:
    """Overlaps that were measured, with enough others on each side."""
    inner = np.unique(np.sort(overlap_P)[LEAST_SIDE : max(LEAST_SIDE, overlap_P.size - LEAST_SIDE)])
    if inner.size <= MOST_BREAKS:
        return inner
    return inner[np.linspace(0, inner.size - 1, MOST_BREAKS).astype(np.int64)]


def _centered(values: Floats) -> Floats:
    """Less the mean over the trials at each number of labels: the last axis but one holds trials."""
    centered: Floats = values - values.mean(axis=-2, keepdims=True)
    return centered


def _explained(shared_C: Floats, spread_C: Floats) -> Floats:
    """Sum of squares that each breakpoint explains; a gap that falls explains nothing."""
    return np.square(np.maximum(0, shared_C)) / spread_C


def _exchanged(products: list[Floats], shared_C: Floats, spread_C: Floats) -> float:
    """How often a fit is as good after the trials' overlaps were exchanged at random, this one counted in."""
    rng = np.random.default_rng(0)
    observed = _explained(shared_C, spread_C).max()
    as_good = 1
    for _ in range(EXCHANGES):
        drawn_C = np.zeros_like(shared_C)
        for product_CRR in products:
            trials = product_CRR.shape[1]
            drawn_C += product_CRR[:, rng.permutation(trials), np.arange(trials)].sum(axis=1)
        as_good += _explained(drawn_C, spread_C).max() >= observed * (1 - 1e-9)
    return as_good / (EXCHANGES + 1)

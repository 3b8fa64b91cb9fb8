"""The design problem of BAIT: Fisher information of a pool, summed to the same bits on any number of shards."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.probabilities import others
from labelbench_ray.types import Block, Floats, Ids, PoolView, Shard

Doubles = NDArray[np.float64]

TIE = 1e-9
"""Gains that differ by less, relatively, are a tie."""


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The objective tr(matrix^-1 target), both (E, E) float64: E is D, or K*D with the classes first."""

    target_EE: Doubles
    matrix_EE: Doubles

    def plus(self, change_EE: Doubles) -> Self:
        """The same target, with rows' information added to the matrix."""
        return replace(self, matrix_EE=self.matrix_EE + change_EE)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows the forward greedy adds, and how many of them the backward greedy removes."""

    added: int
    removed: int


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Sums of Fisher information over the rows that may be chosen and over the labeled ones."""

    open_EE: Doubles
    labeled_EE: Doubles
    rows: int

    def design(self, ridge: float, labeled: int, budget: int) -> Design:
        """Before the first pick."""
        target_EE = (self.open_EE + self.labeled_EE) / self.rows
        level = ridge * target_EE.diagonal().mean()
        # Where no row has any information, any ridge will do.
        matrix_EE = self.labeled_EE / (labeled + budget) + np.eye(len(target_EE)) * (level or 1.0)
        return Design(target_EE, matrix_EE)


def information(view: PoolView, exact: bool) -> Information:
    """The information of each row, or its trace over the classes, summed."""
    traces = [trace for part in view.map(partial(_traces, labeled_L=view.labeled_L)) for trace in part]
    if not math.isfinite(math.fsum(traces)):
        raise ValueError("embeddings: the sum of their squares is infinite; scale them down")
    # Multiples of the grid add up without rounding below 2^53 of them, so the sum has no order.
    grid = 2.0 ** (math.frexp(math.fsum(traces))[1] - 51)
    parts = view.map(partial(_sums, labeled_L=view.labeled_L, exact=exact, grid=grid))
    return Information(
        sum((part.open_EE for part in parts), np.zeros(())),
        sum((part.labeled_EE for part in parts), np.zeros(())),
        sum(part.rows for part in parts),
    )


def best_place(gains_C: Doubles, hashes_C: NDArray[np.uint64]) -> int:
    """Place of the largest gain; of those that tie with it, the one with the smallest hash."""
    best = gains_C.max()
    tied_T = np.flatnonzero(gains_C >= best - TIE * abs(best))
    return int(tied_T[hashes_C[tied_T].argmin()])


def uncertainty(probabilities_BK: Floats) -> Doubles:
    """(B,) 1 - sum p^2, the trace of diag p - p p^T, from the mass outside the likeliest class."""
    rest_BK = others(probabilities_BK)
    rest_B = rest_BK.sum(axis=1, dtype=np.float64)
    total_B = rest_B + probabilities_BK.max(axis=1)
    squares_B = np.einsum("bk,bk->b", rest_BK, rest_BK) / total_B**2
    rest_B /= total_B
    trace_B: Doubles = rest_B * (2 - rest_B) - squares_B
    return trace_B


def factors(probabilities_BK: Floats) -> Doubles:
    """(B, K, K) whose column c is sqrt(p_c) (e_c - p): times their transpose, diag p - p p^T."""
    rest_BK = others(probabilities_BK).astype(np.float64)
    top_B = probabilities_BK.argmax(axis=1)
    rows_B = np.arange(len(top_B))
    p_BK = probabilities_BK / probabilities_BK.sum(axis=1, dtype=np.float64, keepdims=True)
    columns_BKK = np.eye(p_BK.shape[1]) - p_BK[:, :, None]
    # 1 - p of the likeliest class keeps its digits where p reads 1.0.
    columns_BKK[rows_B, top_B, top_B] = rest_BK.sum(axis=1) / (rest_BK.sum(axis=1) + probabilities_BK.max(axis=1))
    factors_BKK: Doubles = columns_BKK * np.sqrt(p_BK)[:, None, :]
    return factors_BKK


def _traces(shard: Shard, labeled_L: Ids) -> list[float]:
    return [_trace(block) for blocks in (shard.candidates(), shard.among(labeled_L)) for block in blocks]


def _trace(block: Block) -> float:
    h_BD = block.embeddings_BD.astype(np.float64)
    return float(uncertainty(block.probabilities_BK) @ np.einsum("bd,bd->b", h_BD, h_BD))


def _sums(shard: Shard, labeled_L: Ids, exact: bool, grid: float) -> Information:
    return Information(
        _sum(shard.candidates(), exact, grid),
        _sum(shard.among(labeled_L), exact, grid),
        len(shard.open_ids) + int(shard.labeled_S.sum()),
    )


def _sum(blocks: Iterable[Block], exact: bool, grid: float) -> Doubles:
    total_EE: Doubles = np.zeros(())  # stays a scalar where there is no block
    for block in blocks:
        part_EE = _whole(block) if exact else _scalar(block)
        total_EE = total_EE + np.rint(part_EE / grid) * grid
    return total_EE


def _scalar(block: Block) -> Doubles:
    h_BD = block.embeddings_BD.astype(np.float64)
    h_BD *= np.sqrt(uncertainty(block.probabilities_BK))[:, None]
    gram_DD: Doubles = h_BD.T @ h_BD
    return gram_DD


def _whole(block: Block) -> Doubles:
    h_BD = block.embeddings_BD.astype(np.float64)
    factors_BKK = factors(block.probabilities_BK)
    classes, dimensions = factors_BKK.shape[1], h_BD.shape[1]
    sum_KDKD = np.empty((classes, dimensions, classes, dimensions))
    for row in range(classes):
        for column in range(classes):
            weights_B = np.einsum("bk,bk->b", factors_BKK[:, row], factors_BKK[:, column])
            sum_KDKD[row, :, column] = (h_BD * weights_B[:, None]).T @ h_BD
    return sum_KDKD.reshape(classes * dimensions, classes * dimensions)

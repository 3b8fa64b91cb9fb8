"""How many rows of each task to buy, given how many there should be: whole numbers that sum to the budget."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Counts = NDArray[np.int64]
Wanted = Callable[[NDArray[np.bool_]], Reals]
"""Which tasks have rows left -> (T,) how many rows of each there should be in all."""


def purchases(wanted: Wanted, bought_T: Counts, sizes_T: Counts, budget: int, hashes_T: NDArray[np.uint64]) -> Counts:
    """(T,) whole numbers of rows to buy, at most `sizes_T`, that sum to the budget.

    They are proportional to what is missing of what is wanted. A task that has too few rows gives all of them, and what
    is wanted is asked for again without it. Largest remainders; those that tie go by hash.

    Args:
        wanted: see `Wanted`.
        bought_T: rows bought before.
        sizes_T: rows left.
        budget: at most the sum of the rows left.
        hashes_T: a hash for each task.
    """
    open_T, fixed_T = sizes_T > 0, np.zeros(len(sizes_T), np.int64)
    while True:
        left = budget - int(fixed_T.sum())
        missing_T = np.where(open_T, np.maximum(wanted(open_T) - bought_T, 0), 0) if left else np.zeros(len(sizes_T))
        if left and missing_T.sum() <= 0:
            missing_T = open_T.astype(np.float64)
        fair_T = left * missing_T / missing_T.sum() if left else missing_T
        over_T = open_T & (fair_T > sizes_T)
        if not over_T.any():
            return fixed_T + whole_numbers(fair_T, left, hashes_T)
        fixed_T[over_T] = sizes_T[over_T]
        open_T = open_T & ~over_T


def whole_numbers(fair_T: Reals, total: int, hashes_T: NDArray[np.uint64]) -> Counts:
    """(T,) whole numbers that sum to the total: the largest remainders are rounded up."""
    # The grid makes remainders equal that differ by rounding only.
    grid_T = np.round(fair_T, 9)
    whole_T = np.floor(grid_T).astype(np.int64)
    order_T = np.lexsort((hashes_T, whole_T - grid_T))
    whole_T[order_T[: total - int(whole_T.sum())]] += 1
    return whole_T

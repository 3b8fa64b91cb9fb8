"""What one pass over the rows of an external array finds: which are finite, their keys, the pool's standardization."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.standardization import HalfSums, Standardization, is_large, standardize

LARGEST_HALF: Final = 0x7BFF
"""The bits of 65,504; more, without the sign, is infinite or NaN."""
KEY_NUMBERS: Final = 4
"""Numbers of each row that are its key, which is 8 bytes."""


class RowScan:
    """Is given all rows of an array in their order, some at a time, while they are in the cache.

    Args:
        pool_N: ascending numbers of rows; those that are finite are standardized. None: none are.
    """

    def __init__(self, rows: int, width: int, pool_N: NDArray[np.int64] | None) -> None:
        self.rows, self.width = rows, width
        self.finite_N = np.ones(rows, np.bool_)
        """Rows whose numbers float16 holds."""
        self.keys_N = np.zeros(rows, np.uint64)
        """Numbers from the middle of each row, as one integer: equal where rows are."""
        self._read = 0
        self._sums: HalfSums | None = None
        self._pool_N = np.zeros(rows, np.bool_)
        if pool_N is not None and is_large((len(pool_N), width), np.dtype(np.float16)):
            self._pool_N[pool_N] = True

    def add(self, half_BD: NDArray[np.float16]) -> None:
        """The next rows."""
        start, stop = self._read, self._read + len(half_BD)
        self.keys_N[start:stop] = _keys(half_BD)
        self._read = stop
        wanted_B = self._pool_N[start:stop]
        if wanted_B.all() and self._sum(half_BD):
            return
        self.finite_N[start:stop] = finite_B = _finite_rows(half_BD)
        if (wanted_B := wanted_B & finite_B).any():
            self._sum(half_BD[wanted_B])

    def _sum(self, pool_BD: NDArray[np.float16]) -> bool:
        """Add rows of the pool to its sums; whether all are finite."""
        if self._sums is None:
            self._sums = HalfSums(pool_BD[0])
        if self._sums.add(pool_BD):
            return True
        # The pool is standardized afterwards.
        self._pool_N[:], self._sums = False, None
        return False

    def standardization(self, pool_ND: NDArray[np.float16]) -> Standardization:
        """Of the pool's finite rows, which are given once more."""
        return standardize(pool_ND) if self._sums is None else self._sums.standardization(pool_ND)


def _keys(half_BD: NDArray[np.float16]) -> NDArray[np.uint64]:
    """(B,) numbers from the middle of each row as one integer: equal for rows that are equal."""
    rows, width = half_BD.shape
    if width % KEY_NUMBERS == 0 and half_BD.flags.c_contiguous:
        return half_BD.view(np.uint64)[:, width // KEY_NUMBERS // 2]
    few_BC = np.zeros((rows, KEY_NUMBERS), np.float16)
    first = width // KEY_NUMBERS // 2 * KEY_NUMBERS
    few_BC[:, : min(KEY_NUMBERS, width - first)] = half_BD[:, first : first + KEY_NUMBERS]
    return few_BC.view(np.uint64)[:, 0]


def _finite_rows(half_BD: NDArray[np.float16]) -> NDArray[np.bool_]:
    """(B,) whether all numbers of a row are finite: by their bits, as numpy needs ten times as long for float16."""
    bits_BD = half_BD.view("<u2")
    # Infinite and NaN have the largest exponent; a sign makes it the largest integer of the other kind.
    if bits_BD.view("<i2").max() <= LARGEST_HALF and bits_BD.max() <= LARGEST_HALF + 0x8000:
        return np.ones(len(half_BD), np.bool_)
    return np.asarray(np.isfinite(half_BD).all(axis=1))

"""Standardizing embeddings with the pool's own mean and deviation, computed once for each store."""

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.blocks import BLOCK_ROWS, Floats

SMALL: Final = 1 << 20
"""Numbers that numpy widens in a few milliseconds."""
PART_NUMBERS: Final = 1 << 17
"""Summed at a time."""
FEWEST_ROWS: Final = 16
"""Of them, however many dimensions they have."""
CONSTANT: Final = 1e-6
"""Smaller deviations are those of constant dimensions."""
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Standardization:
    """Per-dimension shift and scale of the pool's embeddings, (D,) float32 each; a constant dimension has scale 1."""

    mean_D: Floats
    scale_D: Floats

    def apply(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, D) float32: (raw - mean) / scale."""
        standardized_BD = widened(raw_BD)
        standardized_BD -= self.mean_D
        standardized_BD /= self.scale_D
        return standardized_BD


def widened(raw_BD: NDArray[Any]) -> Floats:
    """A copy as float32, by torch: for float16 numpy needs five times as long, most of a scoring pass.

    Small arrays are widened by numpy unless torch is there: a worker imports it in 1.5 CPU seconds. Both are exact.
    """
    if raw_BD.size < SMALL and "torch" not in sys.modules:
        return raw_BD.astype(np.float32)
    import torch

    # numpy copies first, since torch takes no read-only memory map.
    wide_BD: Floats = torch.from_numpy(np.array(raw_BD)).float().numpy()
    return wide_BD


def _add(raw_BD: NDArray[Any], shift_D: Doubles, sums_D: Doubles, squares_D: Doubles) -> None:
    """Add the sums over a block's rows, shifted, and over their squares: row after row, from zero in every block."""
    block_BD = raw_BD.astype(np.float64) - shift_D
    sums_D += block_BD.sum(axis=0)
    squares_D += np.einsum("bd,bd->d", block_BD, block_BD)


class HalfSums:
    """Sums over rows of float16 and over their squares, in parts that stay in the cache: a third of the time of `_add`.

    The mean has the bits of `_add`, however the rows are cut when they are added: the sum over a block is exact.
    Squares are summed as they lie, not shifted and in another order. `standardization` bounds what this can change.
    """

    def __init__(self, first_D: NDArray[np.float16]) -> None:
        import torch

        dimensions = len(first_D)
        self._shift_D = first_D.astype(np.float64)
        self._sums_D, self._squares_D, self._of_rows_D, self._of_squares_D = np.zeros((4, dimensions))
        self._rows = 0
        self._part_rows = min(BLOCK_ROWS, max(FEWEST_ROWS, PART_NUMBERS // dimensions))
        shape = (self._part_rows, dimensions)
        self._half, self._wide = (torch.empty(shape, dtype=kind) for kind in (torch.half, torch.float))
        self._part_ND, self._ones_N = np.empty(shape), np.ones(len(self._half))
        self._part, self._half_ND = torch.from_numpy(self._part_ND), self._half.numpy()

    def add(self, raw_BD: NDArray[np.float16]) -> bool:
        """Add the next rows; whether all of them are finite, without which the sums are not."""
        import torch

        # torch takes no read-only memory map.
        given = torch.from_numpy(raw_BD) if raw_BD.flags.writeable else None
        is_finite, start = True, 0
        while start < len(raw_BD):
            stop = min(start + self._part_rows, start + BLOCK_ROWS - self._rows % BLOCK_ROWS, len(raw_BD))
            if given is None:
                self._half_ND[: stop - start] = raw_BD[start:stop]
            self._add_part(self._half[: stop - start] if given is None else given[start:stop], stop - start)
            self._rows += stop - start
            start = stop
            if self._rows % BLOCK_ROWS == 0 or start == len(raw_BD):
                is_finite &= bool(np.isfinite(self._of_rows_D).all())
            if self._rows % BLOCK_ROWS == 0:
                self._close_block(BLOCK_ROWS)
        return is_finite

    def _add_part(self, half: Any, count: int) -> None:  # noqa: ANN401  a tensor
        part_ND, ones_N = self._part_ND[:count], self._ones_N[:count]
        self._part[:count].copy_(self._wide[:count].copy_(half))
        # Exact in any order: the numbers are multiples of 2 ** -24 below 2 ** 16, and sums of a block fit into 53 bits.
        self._of_rows_D += ones_N @ part_ND
        np.multiply(part_ND, part_ND, out=part_ND)
        self._of_squares_D += ones_N @ part_ND

    def _close_block(self, rows: int) -> None:
        self._sums_D += self._of_rows_D - rows * self._shift_D  # exact too
        self._squares_D += self._of_squares_D
        self._of_rows_D[:] = self._of_squares_D[:] = 0

    def standardization(self, rows_ND: NDArray[np.float16]) -> Standardization:
        """Of all rows, which are given again; none can be added afterwards.

        A sum of squares, in whatever order, is off by 2 ** -53 of itself for each addition that a square goes through.
        Those are the rows of a block and the number of blocks at most, for `_add` and here. The deviation and its
        roundings rise with the sum: where both bounds give the same float32, `_add` gives it too. Other dimensions are
        summed again by `_add`: none or a few, unless they are constant or lie a hundred deviations from zero.
        """
        self._close_block(self._rows % BLOCK_ROWS)
        rows, shift_D, sums_D = self._rows, self._shift_D, self._sums_D
        squares_D = self._squares_D - shift_D * (2 * sums_D + rows * shift_D)
        roundings = BLOCK_ROWS + rows / BLOCK_ROWS + 1
        # `_add` is off by 2 of them at most, as (x - s)**2 <= 2 (x**2 + s**2), and the terms above by 4.
        error_D = 8 * roundings * 2.0**-53 * (self._squares_D + rows * shift_D**2)
        low_D, high_D = (_deviation(rows, sums_D, squares_D + sign * error_D) for sign in (-1, 1))
        is_sure_D = low_D.astype(np.float32) == high_D.astype(np.float32)
        is_sure_D &= (low_D < CONSTANT) == (high_D < CONSTANT)
        if not is_sure_D.all():
            # Of one dimension alone, NumPy adds in another order.
            again = np.union1d(np.flatnonzero(~is_sure_D), np.arange(min(2, len(shift_D))))
            squares_D[again] = _sums((block_BD[:, again] for block_BD in _blocks(rows_ND)), shift_D[again])[1]
        return _from_sums(rows, shift_D, sums_D, squares_D)


def is_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array is summed by `HalfSums`, which imports torch."""
    return dtype == np.float16 and math.prod(shape) >= SMALL


def standardize(embeddings_ND: NDArray[Any]) -> Standardization:
    """Mean and population standard deviation of each dimension, summed in float64 over fixed blocks."""
    first_D = np.asarray(embeddings_ND[:1])[0]
    if is_large(embeddings_ND.shape, embeddings_ND.dtype):
        sums = HalfSums(first_D)
        for raw_BD in _blocks(embeddings_ND):
            sums.add(raw_BD)
        return sums.standardization(embeddings_ND)
    shift_D = first_D.astype(np.float64)
    return _from_sums(len(embeddings_ND), shift_D, *_sums(_blocks(embeddings_ND), shift_D))


def _blocks(embeddings_ND: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (np.asarray(embeddings_ND[at : at + BLOCK_ROWS]) for at in range(0, len(embeddings_ND), BLOCK_ROWS))


def _sums(blocks: Iterable[NDArray[Any]], shift_D: Doubles) -> tuple[Doubles, Doubles]:
    """Sums over the rows of blocks, shifted, and over their squares."""
    sums_D, squares_D = np.zeros((2, len(shift_D)))
    for raw_BD in blocks:
        _add(raw_BD, shift_D, sums_D, squares_D)
    return sums_D, squares_D


def _from_sums(rows: int, shift_D: Doubles, sums_D: Doubles, squares_D: Doubles) -> Standardization:
    """Of sums over rows less the shift, which keeps the squares small, so that the variance does not cancel."""
    scale_D = _deviation(rows, sums_D, squares_D)
    scale_D[scale_D < CONSTANT] = 1
    return Standardization((sums_D / rows + shift_D).astype(np.float32), scale_D.astype(np.float32))


def _deviation(rows: int, sums_D: Doubles, squares_D: Doubles) -> Doubles:
    deviation_D: Doubles = np.sqrt(np.maximum(squares_D / rows - (sums_D / rows) ** 2, 0))
    return deviation_D

"""Standardizing embeddings with the pool's own mean and deviation, computed once for each store."""

import math
import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.blocks import BLOCK_ROWS, Floats

SMALL: Final = 1 << 20
"""Numbers that numpy widens in a few milliseconds."""
PART_ROWS: Final = 256
"""Summed at a time."""
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
    """Sums over rows of float16 and over their squares, in parts that stay in the cache: half the time of `_add`.

    The bits are those of `_add` for each block of `BLOCK_ROWS` rows, however the rows are cut when they are added.
    """

    def __init__(self, first_D: NDArray[np.float16]) -> None:
        import torch

        dimensions = len(first_D)
        self._shift_D = first_D.astype(np.float64)
        self._sums_D, self._squares_D, self._of_rows_D, self._of_squares_D = np.zeros((4, dimensions))
        self._rows = 0
        self._shift = torch.from_numpy(self._shift_D)
        self._half, self._wide = (
            torch.empty((PART_ROWS, dimensions), dtype=kind) for kind in (torch.half, torch.float)
        )
        self._ones_N = np.ones(PART_ROWS)
        # The first row is the sum so far, so that squares are added in the order of one sum over the block.
        self._part_ND = np.zeros((PART_ROWS + 1, dimensions))
        self._part = torch.from_numpy(self._part_ND)[1:]
        self._half_ND = self._half.numpy()

    def add(self, raw_BD: NDArray[np.float16]) -> bool:
        """Add the next rows; whether all of them are finite, without which the sums are not."""
        import torch

        # torch takes no read-only memory map.
        given = torch.from_numpy(raw_BD) if raw_BD.flags.writeable else None
        is_finite, start = True, 0
        while start < len(raw_BD):
            stop = min(start + PART_ROWS, start + BLOCK_ROWS - self._rows % BLOCK_ROWS, len(raw_BD))
            if given is None:
                self._half_ND[: stop - start] = raw_BD[start:stop]
            self._add_part(self._half[: stop - start] if given is None else given[start:stop], stop - start)
            self._rows += stop - start
            start = stop
            if self._rows % BLOCK_ROWS == 0 or start == len(raw_BD):
                is_finite &= bool(np.isfinite(self._of_rows_D).all())
            if self._rows % BLOCK_ROWS == 0:
                self._close_block()
        return is_finite

    def _add_part(self, half: Any, count: int) -> None:  # noqa: ANN401  a tensor
        wide, part, part_ND = self._wide, self._part, self._part_ND
        if count < PART_ROWS:
            wide, part, part_ND = wide[:count], part[:count], part_ND[: count + 1]
        part.copy_(wide.copy_(half)).sub_(self._shift)
        # Exact, so that the order of additions does not count: the rows less the shift are multiples of 2 ** -24 below
        # 2 ** 17, and sums of `BLOCK_ROWS` of them fit into 53 bits.
        self._of_rows_D += self._ones_N[:count] @ part_ND[1:]
        np.multiply(part_ND, part_ND, out=part_ND)
        part_ND[0] = self._of_squares_D
        np.add.reduce(part_ND, axis=0, out=self._of_squares_D)

    def _close_block(self) -> None:
        self._sums_D += self._of_rows_D
        self._squares_D += self._of_squares_D
        self._of_rows_D[:] = self._of_squares_D[:] = 0

    def standardization(self) -> Standardization:
        """Of all rows; none can be added afterwards."""
        self._close_block()
        return _from_sums(self._rows, self._shift_D, self._sums_D, self._squares_D)


def is_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array is summed by `HalfSums`, which imports torch."""
    return dtype == np.float16 and math.prod(shape) >= SMALL


def standardize(embeddings_ND: NDArray[Any]) -> Standardization:
    """Mean and population standard deviation of each dimension, summed in float64 over fixed blocks."""
    first_D = np.asarray(embeddings_ND[:1])[0]
    blocks = (np.asarray(embeddings_ND[at : at + BLOCK_ROWS]) for at in range(0, len(embeddings_ND), BLOCK_ROWS))
    if is_large(embeddings_ND.shape, embeddings_ND.dtype):
        sums = HalfSums(first_D)
        for raw_BD in blocks:
            sums.add(raw_BD)
        return sums.standardization()
    sums_D, squares_D = np.zeros((2, embeddings_ND.shape[1]))
    shift_D = first_D.astype(np.float64)
    for raw_BD in blocks:
        _add(raw_BD, shift_D, sums_D, squares_D)
    return _from_sums(len(embeddings_ND), shift_D, sums_D, squares_D)


def _from_sums(rows: int, shift_D: Doubles, sums_D: Doubles, squares_D: Doubles) -> Standardization:
    """Of sums over rows less the shift, which keeps the squares small, so that the variance does not cancel."""
    mean_D = sums_D / rows
    scale_D = np.sqrt(np.maximum(squares_D / rows - mean_D**2, 0))
    scale_D[scale_D < 1e-6] = 1
    return Standardization((mean_D + shift_D).astype(np.float32), scale_D.astype(np.float32))

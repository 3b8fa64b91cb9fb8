"""Standardizing embeddings with the pool's own mean and deviation, computed once for each store."""

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


def _add_in_parts(raw_BD: NDArray[Any], shift_D: Doubles, sums_D: Doubles, squares_D: Doubles) -> None:
    """The same sums of float16, bit for bit, in parts that stay in the cache: half the time."""
    import torch

    shift = torch.from_numpy(shift_D)
    half, wide = (torch.empty((PART_ROWS, len(shift_D)), dtype=kind) for kind in (torch.float16, torch.float32))
    part = torch.empty((PART_ROWS + 1, len(shift_D)), dtype=torch.float64)
    # The first row is what was summed before, so that the order of additions is that of one sum over the block.
    half_ND, part_ND = half.numpy(), part.numpy()
    of_rows_D, of_squares_D = np.zeros_like(sums_D), np.zeros_like(squares_D)
    for start in range(0, len(raw_BD), PART_ROWS):
        count = min(PART_ROWS, len(raw_BD) - start)
        half_ND[:count] = raw_BD[start : start + count]  # a copy, since torch takes no read-only memory map
        rows = part[1 : count + 1].copy_(wide[:count].copy_(half[:count])).sub_(shift)
        part_ND[0] = of_rows_D
        np.add.reduce(part_ND[: count + 1], axis=0, out=of_rows_D)
        torch.mul(rows, rows, out=rows)
        part_ND[0] = of_squares_D
        np.add.reduce(part_ND[: count + 1], axis=0, out=of_squares_D)
    sums_D += of_rows_D
    squares_D += of_squares_D


def standardize(embeddings_ND: NDArray[Any]) -> Standardization:
    """Mean and population standard deviation of each dimension, summed in float64 over fixed blocks."""
    sums_D = np.zeros(embeddings_ND.shape[1])
    squares_D = np.zeros(embeddings_ND.shape[1])
    # Keeps the squares small, so that the variance does not cancel.
    shift_D = np.asarray(embeddings_ND[:1])[0].astype(np.float64)
    add = _add_in_parts if embeddings_ND.dtype == np.float16 and embeddings_ND.size >= SMALL else _add
    for start in range(0, len(embeddings_ND), BLOCK_ROWS):
        add(np.asarray(embeddings_ND[start : start + BLOCK_ROWS]), shift_D, sums_D, squares_D)
    mean_D = sums_D / len(embeddings_ND)
    scale_D = np.sqrt(np.maximum(squares_D / len(embeddings_ND) - mean_D**2, 0))
    scale_D[scale_D < 1e-6] = 1
    return Standardization((mean_D + shift_D).astype(np.float32), scale_D.astype(np.float32))

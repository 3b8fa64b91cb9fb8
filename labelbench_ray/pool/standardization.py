"""Standardizing embeddings with the pool's own mean and deviation, computed once for each store."""

import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.blocks import BLOCK_ROWS, Floats

SMALL: Final = 1 << 20
"""Numbers that numpy widens in a few milliseconds."""


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


def standardize(embeddings_ND: NDArray[Any]) -> Standardization:
    """Mean and population standard deviation of each dimension, summed in float64 over fixed blocks."""
    sums_D = np.zeros(embeddings_ND.shape[1])
    squares_D = np.zeros(embeddings_ND.shape[1])
    shift_D = embeddings_ND[0].astype(np.float64)  # keeps the squares small, so that the variance does not cancel
    for start in range(0, len(embeddings_ND), BLOCK_ROWS):
        block_BD = embeddings_ND[start : start + BLOCK_ROWS].astype(np.float64) - shift_D
        sums_D += block_BD.sum(axis=0)
        squares_D += np.einsum("bd,bd->d", block_BD, block_BD)
    mean_D = sums_D / len(embeddings_ND)
    scale_D = np.sqrt(np.maximum(squares_D / len(embeddings_ND) - mean_D**2, 0))
    scale_D[scale_D < 1e-6] = 1
    return Standardization((mean_D + shift_D).astype(np.float32), scale_D.astype(np.float32))

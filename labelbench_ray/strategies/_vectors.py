"""Embeddings as unit vectors."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.types import Floats

Real = TypeVar("Real", np.float32, np.float64)


def unit(rows_BD: Floats, dtype: type[Real]) -> NDArray[Real]:
    """(B, D + 1) rows of length 1; a zero row points along an axis of its own, so that it is like zero rows only."""
    lengths_B = np.sqrt(np.einsum("bd,bd->b", rows_BD, rows_BD, dtype=np.float64))
    units = np.zeros((len(rows_BD), rows_BD.shape[1] + 1), dtype)
    np.divide(rows_BD, np.where(lengths_B > 0, lengths_B, 1)[:, None], out=units[:, :-1], casting="same_kind")
    units[:, -1] = lengths_B == 0
    return units

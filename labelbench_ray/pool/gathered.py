"""Rows of an array on disk in another order than the file's: read when they are used, never copied as a whole."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class GatheredRows:
    """(N, D) rows of a mapped array, as far as a pool is read: a slice of them is not read, rows by number are.

    `numpy.asarray` reads all of them.
    """

    mapped_MD: NDArray[Any]
    rows_N: NDArray[np.int64]
    """The number of each row in the mapped array."""

    def __len__(self) -> int:
        return len(self.rows_N)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self.rows_N), self.mapped_MD.shape[1]

    @property
    def size(self) -> int:
        """N * D."""
        return len(self.rows_N) * self.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the mapped array."""
        return self.mapped_MD.dtype

    def __getitem__(self, rows: slice | NDArray[Any]) -> "Self | NDArray[Any]":
        if isinstance(rows, slice):
            return replace(self, rows_N=self.rows_N[rows])
        read: NDArray[Any] = self.mapped_MD[self.rows_N[rows]]
        return read

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.mapped_MD[self.rows_N], dtype)

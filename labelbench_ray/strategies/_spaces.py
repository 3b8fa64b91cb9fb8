"""Where rows are placed, so that a product of two vectors states how much alike two rows are."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._vectors import unit
from labelbench_ray.types import Floats

Precision = type[np.float32] | type[np.float64]
Rows = NDArray[np.floating]


class Space(Protocol):
    """A symmetric product of rows, written as an ordinary one: `facing(a) @ b`, where a and b are placed."""

    @property
    def fast(self) -> Precision:
        """The precision of bounds; the rounding of its products stays below `COSINE_SLACK`."""
        ...

    def placed(self, rows_BD: Floats, dtype: Precision) -> NDArray[Any]:
        """(B, X) embeddings as vectors of the space."""
        ...

    def facing(self, placed_BX: NDArray[Any]) -> NDArray[Any]:
        """(..., X) what their product with other placed rows is taken with."""
        ...


class Sphere:
    """Rows as unit vectors; the product is the cosine."""

    fast: Precision = np.float32

    def placed(self, rows_BD: Floats, dtype: Precision) -> NDArray[Any]:
        return unit(rows_BD, dtype)

    def facing(self, placed_BX: NDArray[Any]) -> NDArray[Any]:
        return placed_BX


SPHERE: Final = Sphere()


@dataclass(frozen=True, slots=True, eq=False)
class Euclidean:
    """Rows as (sqrt(2) x, |x|^2, 1), x less the origin, over `length`; the product is minus the squared distance.

    In float32 a far row's distances would be rounded by more than near rows lie apart, so bounds take float64 as well.
    """

    origin_D: NDArray[np.float64]
    length: float

    @property
    def fast(self) -> Precision:
        return np.float64

    def placed(self, rows_BD: Floats, dtype: Precision) -> NDArray[Any]:
        shifted_BD = (rows_BD - self.origin_D) / self.length
        placed_BX = np.ones((len(rows_BD), rows_BD.shape[1] + 2), dtype)
        placed_BX[:, :-2] = np.sqrt(2) * shifted_BD
        placed_BX[:, -2] = np.einsum("bd,bd->b", shifted_BD, shifted_BD)
        return placed_BX

    def facing(self, placed_BX: NDArray[Any]) -> NDArray[Any]:
        facing_BX = placed_BX.copy()
        facing_BX[..., -2:] = -placed_BX[..., :-3:-1]
        return facing_BX

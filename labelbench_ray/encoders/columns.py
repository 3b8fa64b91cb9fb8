"""The columns of a table as numbers, without a network: scaled numbers, and categories as one number each or hashed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt, PrivateAttr

from labelbench_ray.datasets import Modality, Payload, Split
from labelbench_ray.datasets.table_columns import row_values, split_columns
from labelbench_ray.encoders import Decoded, Device, Encoder
from labelbench_ray.encoders._table_columns import FARTHEST, Column, columns_hash, encoded, fit_columns, width_of


class Columns(Encoder):
    """Numbers less their mean over their deviation in the pool; a 0/1 number for each category of a column.

    Of a column with more than `one_hot` categories, each is hashed to one of `buckets` numbers. A missing value is 0,
    and has a number of its own where the pool has some. Only pool rows decide means, deviations and categories.
    """

    payload: ClassVar[Modality] = Modality.TABLE
    one_hot: NonNegativeInt = 50
    """Most categories that get a number each."""
    buckets: PositiveInt = 32
    """Numbers that a column with more categories is hashed to."""
    _columns: Mapping[str, Column] | None = PrivateAttr(default=None)

    def fitted(self, pool: Split) -> Self:
        made = self.model_copy()
        made._columns = fit_columns(split_columns(pool), self.one_hot, self.buckets)
        return made

    def weights(self) -> str:
        return "those of the pool" if self._columns is None else columns_hash(self._columns)

    def dimensions(self) -> int:
        return 0 if self._columns is None else width_of(self._columns)

    def preprocessing(self) -> str:
        return (
            f"numbers less their mean over their deviation in the pool, at most {FARTHEST:g}; one number for each of "
            f"up to {self.one_hot} categories of a column, else {self.buckets} hashed; one for a missing value"
        )

    def decode(self, payload: Payload) -> Decoded:
        assert self._columns is not None, "`fitted` comes first"
        return encoded(self._columns, row_values(payload))

    def load(self, device: Device) -> "ColumnsNetwork":
        return ColumnsNetwork()


@dataclass(frozen=True, slots=True)
class ColumnsNetwork:
    """Stacks what `decode` made."""

    compute: str = "numpy float32 cpu"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return np.stack([np.asarray(row, np.float32) for row in decoded])

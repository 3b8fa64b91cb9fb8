"""Columns of a table as numbers: what is taken from the pool's rows, and how a row is encoded with it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FARTHEST: Final = 100.0
"""Deviations from the mean; what is farther counts as this far, so that a single value does not outweigh a row."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """A column of numbers: its mean and deviation in the pool."""

    mean: float
    deviation: float
    missing: bool
    """Whether a pool row lacks it: then one more number states that."""

    @property
    def width(self) -> int:
        """Numbers that it takes."""
        return 1 + self.missing

    def encode(self, name: str, value: float | str | None, out: NDArray[np.float32]) -> None:
        """Write a value; a missing one as the mean. `ValueError` for text."""
        if isinstance(value, str):
            raise ValueError(f"column {name!r} holds the text {value[:40]!r}; in the pool it holds numbers")
        if value is not None:
            out[0] = min(max((value - self.mean) / self.deviation, -FARTHEST), FARTHEST)
        elif self.missing:
            out[1] = 1


@dataclass(frozen=True, slots=True)
class Categorical:
    """A column of categories: its values in the pool, or so many numbers that values are hashed to."""

    values: tuple[str, ...]
    buckets: int
    """0: each of `values` has a number of its own."""
    missing: bool

    @property
    def width(self) -> int:
        """Numbers that it takes."""
        return (self.buckets or len(self.values)) + self.missing

    def encode(self, name: str, value: float | str | None, out: NDArray[np.float32]) -> None:
        """Write a value; zeros for one that the pool lacks, unless it is hashed. `ValueError` for a number."""
        if isinstance(value, float):
            raise ValueError(f"column {name!r} holds the number {value:g}; in the pool it holds texts")
        if value is None:
            out[-1] = 1 if self.missing else 0
        elif self.buckets:
            number = int.from_bytes(blake2b(f"{name}\0{value}".encode(errors="surrogatepass"), digest_size=8).digest())
            out[number % self.buckets] = 1 if number >> 63 else -1  # signs, so that collisions cancel out on average
        elif value in self.values:
            out[self.values.index(value)] = 1


Column = Numeric | Categorical


def fit_columns(table: Any, one_hot: int, buckets: int) -> dict[str, Column]:  # noqa: ANN401  pyarrow has no types
    """What is taken from the pool's rows, by column; a pure function of the rows, whatever their order."""
    return {name: _fit(table[name], one_hot, buckets) for name in table.column_names}


def _fit(column: Any, one_hot: int, buckets: int) -> Column:  # noqa: ANN401
    missing, present = column.null_count > 0, column.drop_null()
    if not pa.types.is_floating(column.type):
        values = tuple(sorted(pc.unique(present).to_pylist()))
        return Categorical((), buckets, missing) if len(values) > one_hot else Categorical(values, 0, missing)
    values_N = np.sort(np.asarray(present.to_numpy(), np.float64))
    if not len(values_N):
        return Numeric(0.0, 1.0, missing)
    # Sorted and in units of the largest: neither the order of rows nor the squares of large numbers matter.
    unit = float(np.abs(values_N).max()) or 1.0
    scaled_N = values_N / unit
    mean = float(scaled_N.mean())
    deviation = float(np.sqrt(np.square(scaled_N - mean).mean()))
    return Numeric(mean * unit, deviation * unit if deviation > 1e-12 else unit, missing)


def encoded(columns: Mapping[str, Column], row: Mapping[str, float | str | None]) -> NDArray[np.float32]:
    """(D,) a row as numbers.

    Raises:
        ValueError: it has other columns than the pool, or a text where the pool has numbers.
    """
    if row.keys() != columns.keys():
        other = next(
            iter([*(name for name in columns if name not in row), *(name for name in row if name not in columns)])
        )
        what = "lacks the column" if other in columns else "has a column that the pool's rows lack,"
        raise ValueError(f"the row {what} {other!r}")
    encoded_D = np.zeros(width_of(columns), np.float32)
    start = 0
    for name, column in columns.items():
        column.encode(name, row[name], encoded_D[start : start + column.width])
        start += column.width
    return encoded_D


def width_of(columns: Mapping[str, Column]) -> int:
    """D."""
    return sum(column.width for column in columns.values())


def columns_hash(columns: Mapping[str, Column]) -> str:
    """SHA-256 of everything that was taken from the pool."""
    stated = {name: [type(column).__name__, asdict(column)] for name, column in columns.items()}
    return sha256(json.dumps(stated).encode()).hexdigest()

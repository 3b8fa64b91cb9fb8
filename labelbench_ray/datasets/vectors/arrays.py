"""Arrays of embeddings in files: rows in the order of the file, as the floats that the file holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetFiles, check_column, reading
from labelbench_ray.datasets.vectors.headers import (
    ArrayHeader,
    check_vectors,
    npy_header,
    npz_headers,
    npz_member,
    vectors_member,
)
from labelbench_ray.errors import DataError

BLOCK_BYTES: Final = 1 << 25
"""Read at once."""
DECODED_BYTES: Final = 1 << 20
"""Of a column of parquet, decoded at once, while they are in the cache."""
READ_BYTES: Final = 1 << 18
"""Of a column of parquet, read at once."""
NAMES: Final = ("embedding", "embeddings")
"""Parquet columns that hold embeddings, unless one is named."""


class Vectors(Protocol):
    """(N, D) floats in files. Picklable: it holds paths and numbers."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        ...

    @property
    def dtype(self) -> str:
        """The type of the numbers, such as "float32"."""
        ...

    @property
    def why_converted(self) -> str:
        """Why the rows cannot be mapped where they lie; "" if they can: float16 as this machine computes with it."""
        ...

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        """All rows, (B, D) at a time, in their order."""
        ...

    def take(self, rows_B: NDArray[np.int64]) -> NDArray[np.floating]:
        """(B, D) these rows, in this order."""
        ...

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B,) the file that each of these rows lies in."""
        ...


@dataclass(frozen=True, slots=True)
class NpyVectors:
    """The array in a `.npy` file."""

    path: str
    header: ArrayHeader

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def shape(self) -> tuple[int, int]:
        rows, dimensions = self.header.shape
        return rows, dimensions

    @property
    def dtype(self) -> str:
        return self.header.dtype.name

    @property
    def why_converted(self) -> str:
        if self.header.dtype.str != "<f2":
            order = "big-endian " if self.header.dtype.str[0] == ">" else ""
            return f"{order}{self.dtype}"
        return "columns first (Fortran order)" if self.header.is_fortran and min(self.shape) > 1 else ""

    def mapped(self) -> NDArray[np.floating]:
        """(N, D) the rows where they lie."""
        array: Any = np.lib.format.open_memmap(self.path, mode="r")
        return np.asarray(array)

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        array_ND, step = self.mapped(), block_rows(self.header)
        for start in range(0, len(array_ND), step):
            yield array_ND[start : start + step]

    def take(self, rows_B: NDArray[np.int64]) -> NDArray[np.floating]:
        return self.mapped()[rows_B]

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.zeros_like(rows_B)


@dataclass(frozen=True, slots=True)
class NpzVectors:
    """An array of a `.npz` file, which is unpacked from its beginning whenever rows are read."""

    path: str
    name: str
    header: ArrayHeader

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def shape(self) -> tuple[int, int]:
        rows, dimensions = self.header.shape
        return rows, dimensions

    @property
    def dtype(self) -> str:
        return self.header.dtype.name

    @property
    def why_converted(self) -> str:
        return "in an archive (.npz)"

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        rows, dimensions = self.shape
        with npz_member(self.path, self.name) as file:
            if self.header.is_fortran:
                values = np.frombuffer(file.read(), self.header.dtype)
                yield values.reshape(dimensions, rows).T
                return
            step = block_rows(self.header)
            for start in range(0, rows, step):
                count = min(step, rows - start)
                wanted = count * dimensions * self.header.dtype.itemsize
                if len(data := file.read(wanted)) < wanted:
                    row = start + len(data) * count // wanted
                    raise DataError(
                        f"{self.path}, array {self.name!r}: its bytes end in row {row:,} of {rows:,} that the "
                        "archive states; copy the file again from its source"
                    )
                yield np.frombuffer(data, self.header.dtype).reshape(count, dimensions)

    def take(self, rows_B: NDArray[np.int64]) -> NDArray[np.floating]:
        return _unpacked(self)[rows_B]

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.zeros_like(rows_B)


@lru_cache(maxsize=1)
def _unpacked(vectors: NpzVectors) -> NDArray[np.floating]:
    return np.concatenate([*vectors.blocks()])


@dataclass(frozen=True, slots=True, eq=False)
class ParquetVectors:
    """A column of lists of floats in parquet files."""

    files: ParquetFiles
    column: str
    dimensions: int

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(place.path for place in self.files.places)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.files), self.dimensions

    @property
    def dtype(self) -> str:
        return str(np.dtype(self.files.schema.field(self.column).type.value_type.to_pandas_dtype()))

    @property
    def why_converted(self) -> str:
        return "a column of parquet"

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        row = 0
        rows = max(1, DECODED_BYTES // (np.dtype(self.dtype).itemsize * self.dimensions))
        # Without a buffer pyarrow reads a row group as a whole; with its own it keeps all of them until the last row.
        settings: dict[str, Any] = {"pre_buffer": False, "buffer_size": READ_BYTES}
        for place in self.files.places:
            with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem, **settings) as opened:
                for batch in opened.iter_batches(rows, columns=[self.column], use_threads=False):
                    yield self._array(batch.column(0), np.arange(row, row + len(batch)))
                    row += len(batch)

    def take(self, rows_B: NDArray[np.int64]) -> NDArray[np.floating]:
        column = self.files.rows(rows_B, [self.column])[self.column].combine_chunks()
        lists = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
        return self._array(lists, rows_B)

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.files.file_numbers(rows_B)

    def _array(self, lists: Any, rows_B: NDArray[np.int64]) -> NDArray[np.floating]:  # noqa: ANN401
        """(B, D) the lists of these rows."""
        where = f"{self.files.places[0]}, column {self.column!r}"
        if lists.null_count:
            row = rows_B[np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))[0]]
            raise DataError(f"{where}, row {row}: null; every row needs an embedding; leave the row out")
        if not pa.types.is_fixed_size_list(lists.type):
            lengths_B = np.diff(lists.offsets.to_numpy())
            if (wrong_B := lengths_B != self.dimensions).any():
                place = int(np.flatnonzero(wrong_B)[0])
                raise DataError(
                    f"{where}, row {rows_B[place]}: {lengths_B[place]} numbers, {self.dimensions} in the first row; "
                    "every embedding needs as many"
                )
        values: NDArray[np.floating] = lists.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(lists), self.dimensions)


def block_rows(header: ArrayHeader) -> int:
    """Rows that are read at once."""
    return max(1, BLOCK_BYTES // (header.shape[1] * header.dtype.itemsize))


def open_npy(path: str) -> NpyVectors:
    """The embeddings in a `.npy` file; `DataError` where it does not hold (N, D) floats or is damaged."""
    header = npy_header(path)
    check_vectors(header, path)
    return NpyVectors(path, header)


def open_npz(path: str, named: str | None) -> tuple[NpzVectors, dict[str, ArrayHeader]]:
    """The embeddings in a `.npz` file, and the headers of all of its arrays; errors as above."""
    headers = npz_headers(path)
    name = vectors_member(headers, named, path)
    check_vectors(headers[name], f"{path}, array {name!r}")
    return NpzVectors(path, name, headers[name]), headers


def open_column(files: ParquetFiles, named: str | None) -> ParquetVectors:
    """The embeddings in a column of parquet files: the named one, `embedding`, or the only one of lists of floats.

    Raises:
        DataError: there is none, or several may be meant; a column of other values; lists without numbers.
    """
    schema, where = files.schema, files.places[0]
    fits = [field.name for field in schema if _holds_floats(field.type)]
    if named is None:
        known = [name for name in NAMES if name in fits]
        if not known and len(fits) != 1:
            raise DataError(
                f"{where}: {len(fits)} columns hold lists of floats (columns: {_columns(schema)}); name the one of the "
                "embeddings as `column`, or write lists of float16, float32 or float64"
            )
        named = (known or fits)[0]
    check_column(files, named)
    kind = schema.field(named).type
    if named not in fits:
        raise DataError(f"{where}: column {named!r} is {kind}; embeddings are lists of float16, float32 or float64")
    if pa.types.is_fixed_size_list(kind) and kind.list_size:
        return ParquetVectors(files, named, kind.list_size)
    first = _first(files, named)
    if not first:
        raise DataError(f"{where}, column {named!r}, row 0: {first!r}; every row needs an embedding; leave the row out")
    return ParquetVectors(files, named, len(first))


def _first(files: ParquetFiles, name: str) -> list[float] | None:
    """The first value of a column of lists; reads no complete row group."""
    place = files.places[int(files.file_G[0])]
    with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
        value: list[float] | None = next(opened.iter_batches(1, columns=[name])).column(0)[0].as_py()
        return value


def _columns(schema: Any) -> str:  # noqa: ANN401
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _holds_floats(kind: Any) -> bool:  # noqa: ANN401
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_floating(kind.value_type))

"""Parquet files read as one table: only the row groups and the columns that a read needs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labelbench_ray.datasets import Modality, Payload, Records, Rows
from labelbench_ray.datasets._labels import Coding
from labelbench_ray.datasets._places import Place, missing
from labelbench_ray.errors import DataError, unknown


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Which columns hold what; without a `row_id` the file's name and the row's number in it identify a row."""

    payload: str
    label: str
    row_id: str | None
    modality: Modality


@dataclass(frozen=True, slots=True, eq=False)
class ParquetFiles:
    """One file, or the files of a folder in order, as one sequence of G row groups."""

    places: tuple[Place, ...]
    names: tuple[str, ...]
    """Names relative to the place that was opened: part of row ids, so the same wherever the data lies."""
    sizes: tuple[int, ...]
    file_G: NDArray[np.int64]
    group_G: NDArray[np.int64]
    """The number of a row group in its file."""
    ends_G: NDArray[np.int64]
    """The number of rows up to the end of each row group."""
    schema: Any

    def __len__(self) -> int:
        return int(self.ends_G[-1])

    def facts(self) -> list[object]:
        """What identifies the content, for a signature."""
        return [*zip(self.names, self.sizes, strict=True), len(self)]

    def column(self, name: str) -> Any:  # noqa: ANN401  pyarrow has no types
        """One whole column, of all files."""
        return self._read(np.arange(len(self.group_G)), [name])[name]

    def file_column(self, name: str, file: int) -> Any:  # noqa: ANN401
        """The same of one file."""
        return self._read(np.flatnonzero(self.file_G == file), [name])[name]

    def rows(self, rows_B: NDArray[np.int64], columns: list[str]) -> Any:  # noqa: ANN401
        """The rows of these numbers, in this order."""
        group_B = np.searchsorted(self.ends_G, rows_B, side="right")
        groups, place_B = np.unique(group_B, return_inverse=True)
        counts_G = np.diff(self.ends_G, prepend=0)
        offsets = np.cumsum(counts_G[groups]) - counts_G[groups]
        in_group_B = rows_B - (self.ends_G - counts_G)[group_B]
        return self._read(groups, columns).take(offsets[place_B] + in_group_B)

    def row_names(self, rows_B: NDArray[np.int64]) -> list[str]:
        """`<file's name without suffix>/<number of the row in it>`, for rows without an id of their own."""
        file_B = self.file_G[np.searchsorted(self.ends_G, rows_B, side="right")]
        counts_G = np.diff(self.ends_G, prepend=0)
        count_F = np.bincount(self.file_G, counts_G, len(self.names)).astype(np.int64)
        numbers_B = rows_B - (np.cumsum(count_F) - count_F)[file_B]
        stems = [name.removesuffix(".parquet") for name in self.names]
        return [f"{stems[file]}/{number:08d}" for file, number in zip(file_B, numbers_B, strict=True)]

    def _read(self, groups: NDArray[np.int64], columns: list[str]) -> Any:  # noqa: ANN401
        parts = [self.schema.empty_table().select(columns)]
        for file in np.unique(self.file_G[groups]):
            place = self.places[file]
            wanted = [int(self.group_G[group]) for group in groups if self.file_G[group] == file]
            try:
                with pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
                    # One thread: a task has one core. Only the needed row groups are decoded.
                    read = opened.read_row_groups(wanted, columns=columns, use_threads=False)
                    parts.append(read.cast(parts[0].schema))
            except (OSError, pa.ArrowException) as error:
                raise _damaged(place, error) from error
        return pa.concat_tables(parts)


@dataclass(frozen=True, slots=True, eq=False)
class ParquetTable:
    """Rows of parquet files: payload, label and id each in a column."""

    files: ParquetFiles
    columns: Columns
    coding: Coding

    def __len__(self) -> int:
        return len(self.files)

    def read(self, rows: Rows) -> Records:
        rows_B = np.asarray(rows, dtype=np.int64)
        columns = self.columns
        wanted = list(dict.fromkeys(filter(None, (columns.payload, columns.label, columns.row_id))))
        table = self.files.rows(rows_B, wanted)
        labels_B = self.coding.encode(table[columns.label], label_column(self.files, columns))
        return Records(self._ids(table, rows_B), _payloads(table[columns.payload]), labels_B)

    def labels(self, rows: Rows) -> NDArray[np.int64]:
        """(B,) labels of these rows; reads the label column only, one file at a time."""
        where, files = label_column(self.files, self.columns), range(len(self.files.places))
        columns = (self.files.file_column(self.columns.label, file) for file in files)
        labels_N = np.concatenate([self.coding.encode(column, where) for column in columns])
        return labels_N[np.asarray(rows, dtype=np.int64)]

    def _ids(self, table: Any, rows_B: NDArray[np.int64]) -> list[str]:  # noqa: ANN401
        if self.columns.row_id is None:
            return self.files.row_names(rows_B)
        column = table[self.columns.row_id]
        if column.null_count:
            raise DataError(f"{self.files.places[0]}, column {self.columns.row_id!r}: null; every row needs an id")
        return [str(value) for value in column.to_pylist()]


def open_files(place: Place, wanted: str) -> ParquetFiles:
    """Read the footers of one parquet file, or of all below a folder.

    Raises:
        NotProvidedError: nothing is there.
        DataError: not parquet, cut short, no rows, or files of one folder with different columns.
    """
    if not place.exists():
        raise missing(place, wanted)
    places: tuple[Place, ...] = (place,)
    names: tuple[str, ...] = (place.path.rsplit("/", 1)[-1],)
    if place.is_folder():
        found = [info.path for info in place.listing(recursive=True) if info.path.endswith(".parquet")]
        places = tuple(Place(place.filesystem, path) for path in found)
        names = tuple(f"{names[0]}/{path[len(place.path) :].strip('/')}" for path in found)
    if not places:
        raise missing(place / "*.parquet", wanted)
    footers = [_footer(each) for each in places]
    for each, (_, schema) in zip(places, footers, strict=True):
        if not schema.equals(footers[0][1]):
            raise DataError(f"{each}: its columns differ from those of {places[0]}; files of one folder need the same")
    groups = [
        (file, group, metadata.row_group(group).num_rows)
        for file, (metadata, _) in enumerate(footers)
        for group in range(metadata.num_row_groups)
    ]
    if not groups or not sum(count for _, _, count in groups):
        raise DataError(f"{place}: no rows; every split needs at least one row")
    file_G, group_G, count_G = np.array(groups, dtype=np.int64).T
    sizes = tuple(int(each.info().size) for each in places)
    return ParquetFiles(places, names, sizes, file_G, group_G, np.cumsum(count_G), footers[0][1])


def make_table(files: ParquetFiles, columns: Columns, coding: Coding) -> ParquetTable:
    """The table of these files, all of its labels checked now: the label column only, one file at a time."""
    for file, place in enumerate(files.places):
        coding.encode(files.file_column(columns.label, file), f"{place}, column {columns.label!r}")
    return ParquetTable(files, columns, coding)


def label_column(files: ParquetFiles, columns: Columns) -> str:
    """The label column as errors name it."""
    return f"{files.places[0]}, column {columns.label!r}"


def check_columns(files: ParquetFiles, columns: Columns) -> None:
    """Refuse files in which a column is missing or holds something else; names the column and the nearest one."""
    have = files.schema.names
    for name in filter(None, (columns.payload, columns.label, columns.row_id)):
        if name not in have:
            raise DataError(f"{files.places[0]}: {unknown('column', name, have)}")
    kind = files.schema.field(columns.payload).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    expected = (pa.binary(), pa.large_binary()) if columns.modality == "image" else (pa.string(), pa.large_string())
    if kind not in expected:
        raise DataError(
            f"{files.places[0]}: column {columns.payload!r} is {kind}, {columns.modality} payloads are {expected[0]}"
        )


def _footer(place: Place) -> tuple[Any, Any]:
    try:
        with pq.ParquetFile(place.path, filesystem=place.filesystem) as file:
            return file.metadata, file.schema_arrow.remove_metadata()
    except (OSError, pa.ArrowException) as error:
        raise _damaged(place, error) from error


def _damaged(place: Place, error: Exception) -> DataError:
    return DataError(f"{place}: not a parquet file, or cut short ({error}); copy it again from its source")


def _payloads(column: Any) -> list[Payload]:  # noqa: ANN401
    """The payloads; null is zero bytes, which every encoder's `decode` rejects with a reason."""
    if pa.types.is_struct(column.type):
        # The form in which the Hugging Face hub keeps images: a struct of bytes and path.
        column = pa.chunked_array([chunk.field("bytes") for chunk in column.chunks], column.type.field("bytes").type)
    return [b"" if value is None else value for value in column.to_pylist()]

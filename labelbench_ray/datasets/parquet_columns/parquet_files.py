"""Parquet files read as one table: only the row groups and the columns that a read needs."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from labelbench_ray.datasets import UNLABELED, Files, Records, Rows
from labelbench_ray.datasets._findings import HIDDEN, NO_FILE, Kinds, hidden_kind, kind_of
from labelbench_ray.datasets.files.layout import split_words
from labelbench_ray.datasets.files.places import PATTERN, FileState, Place, missing
from labelbench_ray.datasets.parquet_columns.columns import Columns, RowLabels
from labelbench_ray.datasets.parquet_columns.payloads import read_payloads
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.errors import DataError, unknown
from labelbench_ray.types import Labels

NO_PARQUET = "not the suffix .parquet"


@dataclass(frozen=True, slots=True, eq=False)
class ParquetFiles:
    """One file, or the files of a folder in order, as one sequence of G row groups."""

    places: tuple[Place, ...]
    names: tuple[str, ...]
    """Names relative to the place that was opened: part of row ids, so the same wherever the data lies."""
    states: tuple[FileState, ...]
    file_G: NDArray[np.int64]
    group_G: NDArray[np.int64]
    """The number of a row group in its file."""
    ends_G: NDArray[np.int64]
    """The number of rows up to the end of each row group."""
    schema: Any
    ignored: Kinds
    """What lies in the folder and is not read."""

    def __len__(self) -> int:
        return int(self.ends_G[-1])

    @property
    def origin(self) -> str:
        """Where its rows come from, in words."""
        many = f"{len(self.names):,} files of {self.places[0].folder.name}/"
        return many if len(self.names) > 1 else self.names[0]

    def facts(self) -> list[object]:
        """What identifies the content, for a signature."""
        return [*((name, state.size) for name, state in zip(self.names, self.states, strict=True)), len(self)]

    def column(self, name: str) -> Any:  # noqa: ANN401  pyarrow has no types
        """One column, of all files."""
        return self._read(np.arange(len(self.group_G)), [name])[name]

    def file_columns(self, names: list[str], file: int) -> Any:  # noqa: ANN401
        """Some columns of one file."""
        return self._read(np.flatnonzero(self.file_G == file), names)

    def rows(self, rows_B: NDArray[np.int64], columns: list[str]) -> Any:  # noqa: ANN401
        """The rows of these numbers, in this order."""
        group_B = np.searchsorted(self.ends_G, rows_B, side="right")
        groups, place_B = np.unique(group_B, return_inverse=True)
        counts_G = np.diff(self.ends_G, prepend=0)
        offsets = np.cumsum(counts_G[groups]) - counts_G[groups]
        in_group_B = rows_B - (self.ends_G - counts_G)[group_B]
        return self._read(groups, columns).take(offsets[place_B] + in_group_B)

    def places_of(self, rows_B: NDArray[np.int64]) -> list[Place]:
        """The file that each of these rows lies in."""
        return [self.places[file] for file in self.file_numbers(rows_B)]

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the file that each of these rows lies in."""
        return self.file_G[np.searchsorted(self.ends_G, rows_B, side="right")]

    def row_names(self, rows_B: NDArray[np.int64]) -> list[str]:
        """`<file's name without suffix>/<number of the row in it>`, for rows without an id of their own."""
        file_B = self.file_numbers(rows_B)
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
            with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
                # One thread: a task has one core. Only the needed row groups are decoded.
                read = opened.read_row_groups(wanted, columns=columns, use_threads=False)
                parts.append(read.cast(parts[0].schema))
        return pa.concat_tables(parts)


@dataclass(frozen=True, slots=True, eq=False)
class ParquetTable:
    """Rows of files: payload, label and id each in a column."""

    files: RowFiles
    columns: Columns
    row_labels: RowLabels
    keys_hash: str
    """A hash of the labels, and of the ids where they stand in a column."""
    states: tuple[FileState, ...]
    """The state of each file, with the images that it names."""

    def __len__(self) -> int:
        return len(self.files)

    def read(self, rows: Rows) -> Records:
        rows_B = np.asarray(rows, dtype=np.int64)
        columns = self.columns
        table = self.files.rows(rows_B, columns.every)
        labels_B = self.row_labels.encode(table, columns, str(self.files.places[0]))
        payloads = read_payloads(table[columns.payload], columns.modality, self.files.places_of(rows_B))
        return Records(self._ids(table, rows_B), payloads, labels_B)

    def labels(self, rows: Rows) -> Labels:
        """(B, ...) labels of these rows; reads their columns only, one file at a time."""
        columns = self.columns
        if columns.label is None:
            return np.full(len(rows), UNLABELED)
        parts = [
            self.row_labels.encode(self.files.file_columns(columns.labels, file), columns, str(place))
            for file, place in enumerate(self.files.places)
        ]
        labels_N: Labels = np.concatenate(parts)[np.asarray(rows, dtype=np.int64)]
        return labels_N

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        rows_B, column = np.asarray(rows, dtype=np.int64), self.columns.row_id
        table = self.files.rows(rows_B, [column]) if column else None
        return pa.array(self._ids(table, rows_B), pa.large_string())

    def found_files(self) -> Files:
        sizes, modified = np.array(self.states, np.int64).T
        return Files(pa.array(self.files.names, pa.large_string()), sizes, modified)

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return self.files.file_numbers(np.asarray(rows, dtype=np.int64))

    def labels_hash(self) -> str:
        return self.keys_hash

    def _ids(self, table: Any, rows_B: NDArray[np.int64]) -> list[str]:  # noqa: ANN401
        if self.columns.row_id is None:
            return self.files.row_names(rows_B)
        column = table[self.columns.row_id]
        if column.null_count:
            raise DataError(f"{self.files.places[0]}, column {self.columns.row_id!r}: null; every row needs an id")
        return [str(value) for value in column.to_pylist()]


def open_split(top: Place, name: str, wanted: str) -> ParquetFiles:
    """Open the file or the folder of this name below `top`, or the files that it is a pattern of; errors as below."""
    if not PATTERN.search(name) or (top / name).exists():
        return open_files(top / name, wanted)
    if not (found := top.matching(name)):
        raise missing(top / name, wanted)
    return open_named(found, Counter())


def open_files(place: Place, wanted: str) -> ParquetFiles:
    """Read the footers of one parquet file, or of all below a folder.

    Raises:
        NotProvidedError: nothing is there.
        DataError: not parquet, cut short, no rows, files of several splits or with different columns in one folder.
    """
    if not place.exists():
        raise missing(place, wanted)
    if not place.is_folder():
        return open_named({place.name: place}, Counter())
    found, kinds = _visible(place)
    if not found:
        raise missing(place / "*.parquet", wanted)
    return open_named({f"{place.name}/{below}": each for below, each in found.items()}, kinds)


def open_named(found: Mapping[str, Place], kinds: Kinds | None = None) -> ParquetFiles:
    """Read the footers of these files, by name; errors as above."""
    names, places = tuple(found), tuple(found.values())
    infos = [each.info() for each in places]  # before anything is read: what changes after that shows
    states = tuple(FileState(int(info.size), info.mtime_ns or 0) for info in infos)
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
        raise DataError(f"{places[0]}: no rows; every split needs at least one row")
    file_G, group_G, count_G = np.array(groups, dtype=np.int64).T
    return ParquetFiles(places, names, states, file_G, group_G, np.cumsum(count_G), footers[0][1], kinds or Counter())


def _visible(folder: Place) -> tuple[dict[str, Place], Kinds]:
    """The parquet files below a folder, and what else lies there."""
    kinds: Kinds = Counter()
    found: dict[str, Place] = {}
    for info in folder.listing(recursive=True):
        below = info.path[len(folder.path) :].lstrip("/")
        if info.type == fs.FileType.Directory:
            continue
        if hidden := hidden_kind(below):
            kinds[HIDDEN, hidden] += 1
        elif info.type != fs.FileType.File:
            kinds[NO_FILE, kind_of(info.base_name)] += 1
        elif below.endswith(".parquet"):
            found[below] = Place(folder.filesystem, info.path)
        else:
            kinds[NO_PARQUET, kind_of(info.base_name)] += 1
    if len(words := split_words(found)) > 1:
        raise DataError(
            f"{folder}: holds files of several splits ({', '.join(words.values())}), which would be mixed; set `path` "
            f'to this folder, or name the files of one split, as in train="{folder.name}/train-*.parquet"'
        )
    return found, kinds


def make_table(
    files: RowFiles, columns: Columns, row_labels: RowLabels, states: tuple[FileState, ...] = ()
) -> ParquetTable:
    """The table of these files, all of its labels checked now: labels and ids only, one file at a time.

    Args:
        states: of the files with the images that they name, where they do.
    """
    digest = hashlib.sha256()
    for file, place in enumerate(files.places):
        wanted = [*columns.labels, *([columns.row_id] if columns.row_id else [])]
        table = files.file_columns(wanted, file) if wanted else None
        if columns.label is not None:
            labels_B = row_labels.encode(table, columns, str(place))
            digest.update(labels_B.astype("<f8" if labels_B.dtype.kind == "f" else "<i8").tobytes())
        if columns.row_id is not None:
            assert table is not None
            digest.update(repr(table[columns.row_id].to_pylist()).encode())
    return ParquetTable(files, columns, row_labels, digest.hexdigest(), states or files.states)


def label_column(files: RowFiles, columns: Columns) -> str:
    """The label column as errors name it."""
    return f"{files.places[0]}, column {columns.label!r}"


def check_columns(files: RowFiles, columns: Columns) -> None:
    """Refuse files in which a column is missing or holds something else; names the column and the nearest one."""
    for name in columns.every:
        check_column(files, name)
    kind = files.schema.field(columns.payload).type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    # Texts in a column of images are paths: `named_images` looks whether they are there.
    text = (pa.string(), pa.large_string(), pa.string_view())
    expected = (pa.binary(), pa.large_binary(), *text) if columns.modality.traits.is_file else text
    if kind not in expected:
        raise DataError(
            f"{files.places[0]}: column {columns.payload!r} is {kind}, {columns.modality} payloads are {expected[0]}; "
            "convert it, or name another one as `column`"
        )


def check_column(files: RowFiles, name: str) -> None:
    """Refuse files that lack a column, or have two of its name."""
    have = files.schema.names
    if name not in have:
        raise DataError(f"{files.places[0]}: {unknown('column', name, have)}")
    if have.count(name) > 1:
        raise DataError(f"{files.places[0]}: has {have.count(name)} columns called {name!r}; rename or drop one")


def _footer(place: Place) -> tuple[Any, Any]:
    with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as file:
        return file.metadata, file.schema_arrow.remove_metadata()


@contextmanager
def reading(place: Place) -> Iterator[None]:
    """Turn what reading a damaged file raises into one line that names it."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{place}: not a parquet file, or cut short ({error}); copy it again from its source"
        ) from error

"""CSV, JSON lines and Arrow files read as one sequence of rows. Arrow files on a local disk are mapped, not read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelbench_ray.datasets._findings import suffix_of
from labelbench_ray.datasets.files.places import FileState, Place
from labelbench_ray.datasets.row_files.arrow_streams import read_arrow
from labelbench_ray.datasets.row_files.delimited import read_delimited
from labelbench_ray.datasets.row_files.json_lines import read_json_lines
from labelbench_ray.errors import DataError

READERS = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".arrow": read_arrow,
}
"""How the files of each suffix are read."""


@dataclass(frozen=True, slots=True, eq=False)
class TableFiles:
    """The files of one split in order (a `RowFiles`). Picklable: a process reads each file once, when it needs it."""

    places: tuple[Place, ...]
    names: tuple[str, ...]
    states: tuple[FileState, ...]
    ends_F: NDArray[np.int64]
    """The number of rows up to the end of each file."""
    schema: Any

    def __len__(self) -> int:
        return int(self.ends_F[-1])

    def column(self, name: str) -> Any:  # noqa: ANN401  pyarrow has no types
        return pa.chunked_array(
            [chunk for file in range(len(self.places)) for chunk in self.file_columns([name], file)[name].chunks],
            self.schema.field(name).type,
        )

    def file_columns(self, names: list[str], file: int) -> Any:  # noqa: ANN401
        return _table(self.places[file], self.states[file]).select(names)

    def rows(self, rows_B: NDArray[np.int64], columns: list[str]) -> Any:  # noqa: ANN401
        file_B = self.file_numbers(rows_B)
        starts_F = self.ends_F - np.diff(self.ends_F, prepend=0)
        parts = [self.schema.empty_table().select(columns)]
        for file in np.unique(file_B):
            parts.append(_taken(self.file_columns(columns, file), rows_B[file_B == file] - starts_F[file]))
        return _in_order(pa.concat_tables(parts), file_B)

    def places_of(self, rows_B: NDArray[np.int64]) -> list[Place]:
        return [self.places[file] for file in self.file_numbers(rows_B)]

    def file_numbers(self, rows_B: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.ends_F, rows_B, side="right").astype(np.int64)

    def row_names(self, rows_B: NDArray[np.int64]) -> list[str]:
        file_B = self.file_numbers(rows_B)
        numbers_B = rows_B - (self.ends_F - np.diff(self.ends_F, prepend=0))[file_B]
        stems = [name.removesuffix(suffix_of(name)) for name in self.names]
        return [f"{stems[file]}/{number:08d}" for file, number in zip(file_B, numbers_B, strict=True)]


def _taken(table: Any, rows_B: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """These rows of a table. `Table.take` would copy all of a column that has several chunks."""
    batches = table.to_batches()
    ends_C = np.cumsum([len(batch) for batch in batches])
    batch_B = np.searchsorted(ends_C, rows_B, side="right")
    starts_C = ends_C - np.diff(ends_C, prepend=0)
    parts = [batches[batch].take(pa.array(rows_B[batch_B == batch] - starts_C[batch])) for batch in np.unique(batch_B)]
    return _in_order(pa.Table.from_batches(parts, table.schema), batch_B)


def _in_order(table: Any, group_B: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """Rows that stand group by group, in the order in which the groups were asked for."""
    if (np.diff(group_B) >= 0).all():
        return table
    return table.take(np.argsort(np.argsort(group_B, kind="stable"), kind="stable"))


def open_table_files(found: Mapping[str, Place]) -> TableFiles:
    """Read these files, by name, and check that they have the same columns.

    Raises:
        DataError: as from the readers; or a file with other columns than the first.
    """
    names, places = tuple(found), tuple(found.values())
    infos = [each.info() for each in places]  # before anything is read: what changes after that shows
    states = tuple(FileState(int(info.size), info.mtime_ns or 0) for info in infos)
    tables = [_table(place, state) for place, state in zip(places, states, strict=True)]
    schema = tables[0].schema
    for place, table in zip(places, tables, strict=True):
        if not table.schema.equals(schema):
            raise DataError(
                f"{place}: its columns ({_columns(table.schema)}) differ from those of {places[0]} "
                f"({_columns(schema)}); files of one split need the same"
            )
    return TableFiles(places, names, states, np.cumsum([len(table) for table in tables]), schema)


def _columns(schema: Any) -> str:  # noqa: ANN401
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    return ", ".join(f"{field.name} {field.type}" for field in schema) + (f", {twice[0]} twice" if twice else "")


@dataclass(frozen=True, slots=True)
class _Version:
    """A file as it was found, so that one that changed is read again."""

    place: Place
    state: FileState

    def __hash__(self) -> int:
        return hash((self.place.path, self.state))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Version) and (self.place.path, self.state) == (other.place.path, other.state)


def _table(place: Place, state: FileState) -> Any:  # noqa: ANN401
    return _read(_Version(place, state))


@lru_cache(maxsize=8)  # one process reads shards of one or two splits at a time
def _read(version: _Version) -> Any:  # noqa: ANN401
    return READERS[suffix_of(version.place.name)](version.place)

"""What the data set `tables` finds at a path: the files of each split, opened, and what their metadata state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labelbench_ray.datasets._findings import Kinds, suffix_of
from labelbench_ray.datasets.files.places import Place
from labelbench_ray.datasets.parquet_columns.columns import Columns
from labelbench_ray.datasets.parquet_columns.keys import key_column, key_trouble
from labelbench_ray.datasets.parquet_columns.parquet_files import open_named
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.datasets.row_files.features import Features, stated_features
from labelbench_ray.datasets.row_files.hub import open_top
from labelbench_ray.datasets.row_files.roles import ROW_ID
from labelbench_ray.datasets.row_files.split_files import PARTS, SUFFIXES, SplitFiles, find_splits
from labelbench_ray.datasets.row_files.table_files import TableFiles, open_table_files

NUMBERED = "row ids: the file's name and the row's number in it"
CERTAIN = ("row_id", "id")
"""Columns of text files that hold ids by their names; a repeated one is a mistake."""


@dataclass(frozen=True, slots=True)
class FoundTables:
    """The opened files of each split."""

    top: Place
    files: Mapping[str, RowFiles]
    features: Features
    splits: SplitFiles
    revision: tuple[str, ...]
    """The Hub's revision; nothing for other places."""
    notes: tuple[str, ...]

    def origin(self, part: str) -> str:
        """Where the rows of a split come from, in words."""
        names = self.files[part].names
        return names[0] if len(names) == 1 else f"{len(names):,} files ({names[0]} ...)"

    @property
    def only_file(self) -> str:
        """What the ids of numbered rows of train begin with if they are in one file; else ""."""
        names = self.files["train"].names
        return f"{names[0].removesuffix(suffix_of(names[0]))}/" if len(names) == 1 else ""

    def facts(self, part: str) -> list[object]:
        """What identifies the content of a split's files, for a signature."""
        files = self.files[part]
        return [*((name, state.size) for name, state in zip(files.names, files.states, strict=True)), len(files)]

    def named(self, part: str, columns: Mapping[str, Columns]) -> Iterable[str]:
        """The files below the top that the rows of a split may name, by their paths."""
        column, files = columns[part].payload, self.files[part]
        if columns[part].modality == "text":
            return
        for number, place in enumerate(files.places):
            folder = place.folder.path[len(self.top.path) :].strip("/")
            kind = files.schema.field(column).type
            if str(kind) in ("string", "large_string"):
                for path in files.file_columns([column], number)[column].to_pylist():
                    yield f"{folder}/{path}".lstrip("/")

    def ignored_but(self, used: Iterable[str]) -> Kinds:
        """What lies there and is not read, without files that rows name."""
        return self.splits.ignored_but(set(used))


def find_tables(root: Path, path: str, config: str | None, named: Mapping[str, str]) -> FoundTables:
    """Find and open the files of every split.

    Raises:
        NotProvidedError, DataError: as from `find_splits` and from the readers.
    """
    top = open_top(root, path, config)
    found = find_at(top.place, top.config, named)
    return replace(found, revision=top.facts, notes=(*top.notes, *found.notes))


def find_at(place: Place, config: str | None, named: Mapping[str, str]) -> FoundTables:
    """The same for a file or a folder."""
    splits = find_splits(place, config, named, SUFFIXES)
    files = {part: _open(each) for part, each in splits.files.items() if part in (*PARTS, *named)}
    unused = tuple(
        f"the split {part!r} is not used; name its files in `splits` to measure on it"
        for part in splits.files.keys() - files.keys()
    )
    folder = place if place.is_folder() else place.folder
    return FoundTables(
        folder, files, stated_features(files["train"].places[0]), splits, (), (*splits.notes, *sorted(unused))
    )


def _open(found: Mapping[str, Place]) -> RowFiles:
    suffix = suffix_of(next(iter(found.values())).name)
    opened: RowFiles = open_named(found) if suffix == ".parquet" else open_table_files(found)
    return opened


def row_key(files: RowFiles, named: str | None) -> tuple[str | None, str]:
    """The column of ids, or None if rows are numbered; and a note that states which.

    Raises:
        DataError: a column that is named, or that is called `row_id`, has nulls or repeated ids.
    """
    if named is not None:
        return key_column(files, named)
    note = NUMBERED
    for name in (name for name in ROW_ID if name in files.schema.names):
        if name == CERTAIN[0] or (name in CERTAIN and isinstance(files, TableFiles)):
            return key_column(files, name)
        if (trouble := key_trouble(files, name)) is None:
            return name, f"row ids: column {name!r}"
        note = f"{NUMBERED}; the column {name!r} is not a key: {trouble}"
    return None, note

"""Images that parquet files name by path instead of holding their bytes: found when the data set is opened."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from labelbench_ray.datasets.files.places import FileState, Place, resolve
from labelbench_ray.datasets.parquet_columns.columns import Columns
from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetFiles, reading
from labelbench_ray.errors import DataError


@dataclass(frozen=True, slots=True)
class NamedImages:
    """The images that the rows of one split name."""

    facts: list[object]
    """What identifies them, for a signature; nothing where the rows hold bytes."""
    note: str
    folders: tuple[str, ...]
    """Where they lie."""
    states: tuple[FileState, ...] = ()
    """For each parquet file, that of it with the images that it names: it changes when one of them does."""


IN_THE_FILES = NamedImages([], "", ())


def named_images(files: ParquetFiles, columns: Columns) -> NamedImages:
    """Look for the image that each row names, where no row holds bytes; reads the paths alone.

    Raises:
        DataError: some are not there.
    """
    kind = files.schema.field(columns.payload).type
    if not columns.modality.traits.is_file or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return IN_THE_FILES
    nested = pa.types.is_struct(kind)
    if nested and kind.get_field_index("path") < 0:
        return IN_THE_FILES
    if nested and not all(_all_null(place, f"{columns.payload}.bytes") for place in files.places):
        return IN_THE_FILES
    digest, folders, count, lost = hashlib.sha256(), dict[str, dict[str, FileState]](), 0, list[Place]()
    states: list[FileState] = []
    for place, own in zip(files.places, files.states, strict=True):
        seen, newest = hashlib.sha256(repr(own).encode()), own.modified
        for path in _paths(place, columns.payload, nested):
            image, count = resolve(place, path), count + 1
            if image.folder.path not in folders:
                folders[image.folder.path] = states_of(image.folder)
            state = folders[image.folder.path].get(image.name)
            digest.update(f"{path}\0{state.size if state else None}\0".encode())
            seen.update(f"{state}\0".encode())
            newest = max(newest, state.modified if state else 0)
            lost += [image] if state is None else []
        states.append(FileState(int.from_bytes(seen.digest()[:7]), newest))
    if lost or not count:
        missing = f"{len(lost):,} of {count:,} files are not there, the first: {lost[0]}" if lost else "no row has one"
        raise DataError(
            f"{files.places[0]}: column {columns.payload!r} holds paths of images and no bytes; {missing}; put the "
            "images there (relative paths start at the parquet file's folder), or write their bytes into the column"
        )
    note = f"{count:,} images are read by the paths in column {columns.payload!r}"
    return NamedImages([digest.hexdigest()], note, tuple(folders), tuple(states))


def inside(top: Place, images: Iterable[NamedImages]) -> list[str]:
    """Where images lie below a data set's folder: they are not ignored."""
    folders = {folder for each in images for folder in each.folders}
    return [folder[len(top.path) :].strip("/") for folder in folders if folder.startswith(f"{top.path.rstrip('/')}/")]


def _all_null(place: Place, column: str) -> bool:
    """Whether no row of a file has a value in a nested column, as far as its footer states that."""
    with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
        footer = opened.metadata
        for group in range(footer.num_row_groups):
            for number in range(footer.num_columns):
                chunk = footer.row_group(group).column(number)
                if chunk.path_in_schema == column:
                    statistics = chunk.statistics
                    if statistics is None or not statistics.has_null_count or statistics.null_count < chunk.num_values:
                        return False
    return True


def _paths(place: Place, column: str, nested: bool) -> Iterable[str]:
    """The paths of a file's rows, in order, without those that are null."""
    with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
        for batch in opened.iter_batches(columns=[f"{column}.path" if nested else column], use_threads=False):
            paths: Any = batch.column(0).field("path") if nested else batch.column(0)
            yield from (path for path in paths.to_pylist() if path)


def states_of(folder: Place) -> dict[str, FileState]:
    """A folder's files, by name; empty if there is no such folder."""
    return (
        {
            info.base_name: FileState(info.size, info.mtime_ns or 0)
            for info in folder.listing()
            if info.type == fs.FileType.File
        }
        if folder.is_folder()
        else {}
    )

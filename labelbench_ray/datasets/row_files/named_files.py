"""Payloads that rows name by paths instead of holding them: each is inside of the data set, and is there."""

import hashlib
import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.datasets.files.places import FileState, Place, resolve
from labelbench_ray.datasets.parquet_columns.columns import Columns
from labelbench_ray.datasets.parquet_columns.image_paths import IN_THE_FILES, NamedImages, states_of
from labelbench_ray.datasets.parquet_columns.parquet_files import reading
from labelbench_ray.datasets.parquet_columns.row_files import RowFiles
from labelbench_ray.errors import DataError


def named_files(top: Place, files: RowFiles, columns: Columns) -> NamedImages:
    """Look for the file that each row without bytes names; rows with bytes are not read.

    Raises:
        DataError: a path out of the data set's folder, or some files are not there; names the first row.
    """
    kind = files.schema.field(columns.payload).type
    if columns.modality == "text" or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return IN_THE_FILES
    digest, folders, count, lost = hashlib.sha256(), dict[str, dict[str, FileState]](), 0, list[str]()
    states: list[FileState] = []
    for number, (place, own) in enumerate(zip(files.places, files.states, strict=True)):
        seen, newest = hashlib.sha256(repr(own).encode()), own.modified
        for row, path in _paths(files, number, columns.payload):
            where = f"{place}, row {row}, column {columns.payload!r}"
            named, count = _inside(top, place, path, where), count + 1
            if named.folder.path not in folders:
                folders[named.folder.path] = states_of(named.folder)
            state = folders[named.folder.path].get(named.name)
            lost += [f"{where}: {path!r}"] if state is None else []
            digest.update(f"{path}\0{state.size if state else None}\0".encode(errors="surrogatepass"))
            seen.update(f"{state}\0".encode())
            newest = max(newest, state.modified if state else 0)
        states.append(FileState(int.from_bytes(seen.digest()[:7]), newest))
    if lost:
        raise DataError(
            f"{lost[0]} is not there, nor are {len(lost) - 1:,} others of {count:,}; paths start at the folder of the "
            "file that names them"
            if len(lost) > 1
            else f"{lost[0]} is not there; paths start at the folder of the file that names them"
        )
    if not count:
        return IN_THE_FILES
    note = f"{count:,} files are read by the paths in column {columns.payload!r}"
    return NamedImages([digest.hexdigest()], note, tuple(folders), tuple(states))


def _inside(top: Place, file: Place, path: str, where: str) -> Place:
    """The file that a path means; `DataError` if it does not lie below the data set's folder."""
    if "\0" in path or "\\" in path or "://" in path:
        raise DataError(f"{where}: {path!r:.80} is not a relative path with '/' between its steps; write it so")
    named = resolve(file, path)
    if not named.path.startswith(f"{posixpath.normpath(top.path)}/"):
        raise DataError(
            f"{where}: {path!r:.80} lies outside of the data set's folder {top}; move the file into it and write a "
            "path that starts at the folder of the file that names it"
        )
    return named


def _paths(files: RowFiles, number: int, column: str) -> Iterator[tuple[int, str]]:
    """Each row of a file that has no bytes and a path."""
    place = files.places[number]
    nested = pa.types.is_struct(files.schema.field(column).type)
    if PurePosixPath(place.path).suffix == ".parquet":
        if nested and _all_have_bytes(place, f"{column}.bytes"):
            return
        with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
            batches = opened.iter_batches(columns=[column], use_threads=False)
            yield from _of_columns((batch.column(0) for batch in batches), nested)
    else:
        yield from _of_columns(iter(files.file_columns([column], number)[column].chunks), nested)


def _of_columns(chunks: Iterator[Any], nested: bool) -> Iterator[tuple[int, str]]:
    start = 0
    for chunk in chunks:
        paths = chunk
        if nested:
            if chunk.type.get_field_index("path") < 0:
                return
            paths = chunk.field("path")
            if "bytes" in {each.name for each in chunk.type}:
                paths = pa.compute.if_else(chunk.field("bytes").is_null(), paths, None)
        for row, path in enumerate(paths.to_pylist(), start):
            if path:
                yield row, path
        start += len(chunk)


def _all_have_bytes(place: Place, column: str) -> bool:
    """Whether every row of a parquet file has a value in a nested column, as far as its footer states that."""
    with reading(place), pq.ParquetFile(place.path, filesystem=place.filesystem) as opened:
        footer = opened.metadata
        for group in range(footer.num_row_groups):
            for number in range(footer.num_columns):
                chunk = footer.row_group(group).column(number)
                if chunk.path_in_schema == column:
                    statistics = chunk.statistics
                    if statistics is None or not statistics.has_null_count or statistics.null_count:
                        return False
    return True

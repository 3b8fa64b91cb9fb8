"""Files of embeddings that a store names instead of holding their rows: hashed, checked, and mapped where they lie."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from labelbench_ray.datasets import Source
from labelbench_ray.datasets.vectors.table import VectorTable, to_half
from labelbench_ray.embeddings.external.scan import RowScan
from labelbench_ray.errors import ChangedDataError, DataError, StoreError
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.memory_maps import ELSEWHERE, check_room, mapped

CONVERTED: Final = "converted"
"""The folder in a store where rows lie that cannot be mapped where they are."""
READ_BYTES: Final = 1 << 18
"""Hashed and scanned while they are in the cache."""


class ExternalFile(Frozen):
    """A file as it was when its embeddings were taken into a store."""

    path: str
    bytes: NonNegativeInt
    sha256: str


class ExternalArray(Frozen):
    """(N, D) embeddings in files that are no part of the store."""

    splits: tuple[str, ...]
    """Whose rows lie in it."""
    files: tuple[ExternalFile, ...]
    rows: PositiveInt
    offset: NonNegativeInt
    """Bytes of its only file before the rows, where they are mapped."""
    converted: str = ""
    """The file below the store that holds the rows as float16; "" where the file itself is mapped."""

    def moved(self, paths: Sequence[str]) -> "ExternalArray":
        """The same array, with its files at other paths."""
        files = zip(self.files, paths, strict=True)
        return self.model_copy(update={"files": tuple(file.model_copy(update={"path": path}) for file, path in files)})

    @property
    def content(self) -> str:
        """Hash of the content, wherever the files lie."""
        return sha256(" ".join(file.sha256 for file in self.files).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class TakenArray:
    """An array of a data set, as it is taken into a store."""

    array: ExternalArray
    scan: RowScan
    """Of its rows."""


def take_array(
    directory: Path, number: int, splits: tuple[str, ...], table: VectorTable, pool_N: NDArray[np.int64] | None
) -> TakenArray:
    """Hash a table's files, and convert the rows into the store where they cannot be mapped; reads each file once.

    Args:
        directory: the store's.
        number: of the table, for the name of what is converted.
        pool_N: ascending numbers of the rows that the pool's standardization is wanted of; None: it is not wanted.

    Raises:
        DataError: a file is damaged, or a row is not what the file states.
        StoreError: there is no room for the converted rows.
    """
    rows, width = table.vectors.shape
    scan = RowScan(rows, width, pool_N)
    if (vectors := table.mapped) is not None:
        offset = vectors.header.offset
        file = _hashed_rows(vectors.path, offset, scan)
        return TakenArray(ExternalArray(splits=splits, files=(file,), rows=rows, offset=offset), scan)
    name = f"{CONVERTED}/{number}.npy"
    (directory / CONVERTED).mkdir(exist_ok=True)
    _convert(directory / name, table, scan)
    files = tuple(hashed_file(path) for path in table.vectors.paths)
    return TakenArray(ExternalArray(splits=splits, files=files, rows=rows, offset=0, converted=name), scan)


def _hashed_rows(path: str, offset: int, scan: RowScan) -> ExternalFile:
    """Hash a file whose rows are mapped, and scan the rows, in one pass."""
    row_bytes = 2 * scan.width
    per_read = 1 << max(1, READ_BYTES // row_bytes).bit_length() - 1  # a block is a multiple of it, or it of blocks
    buffer = memoryview(bytearray(max(offset, per_read * row_bytes)))
    with open(path, "rb", buffering=0) as file:
        hashed = sha256(_filled(file, buffer[:offset], path))
        for start in range(0, scan.rows, per_read):
            count = min(per_read, scan.rows - start)
            data = _filled(file, buffer[: count * row_bytes], path)
            hashed.update(data)
            scan.add(np.frombuffer(data, "<f2").reshape(count, scan.width))
        size = os.fstat(file.fileno()).st_size
    return ExternalFile(path=path, bytes=size, sha256=hashed.hexdigest())


def _filled(file: Any, part: memoryview, path: str) -> memoryview:  # noqa: ANN401  a raw file
    """Read as many bytes as fit; `DataError` where the file ends before."""
    read = 0
    while read < len(part):
        count = file.readinto(part[read:])
        if not count:
            raise DataError(f"{path}: ended while it was read; let it be written to its end, and run the command again")
        read += count
    return part


def hashed_file(path: str) -> ExternalFile:
    """A file, read once."""
    hashed, buffer = sha256(), memoryview(bytearray(READ_BYTES))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hashed.update(buffer[:count])
        return ExternalFile(path=path, bytes=os.fstat(file.fileno()).st_size, sha256=hashed.hexdigest())


def _convert(path: Path, table: VectorTable, scan: RowScan) -> None:
    """Write the rows as float16 and scan them, one block after the other."""
    rows, width = table.vectors.shape
    check_room(path, 2 * rows * width, ELSEWHERE)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for rows_BD in table.vectors.blocks():
            half_BD = np.ascontiguousarray(to_half(rows_BD))
            scan.add(half_BD)
            file.write(half_BD.data)
    draft.rename(path)


def external_rows(directory: Path, array: ExternalArray, width: int) -> NDArray[np.float16]:
    """(N, D) the rows of an array, mapped where they lie.

    Raises:
        StoreError: a file is not there, or not of the size that the store states.
    """
    again = f"delete {directory} to have it made again"
    if array.converted:
        return mapped(directory / array.converted, np.float16, (array.rows, width), again)
    (file,) = array.files
    check_sizes([file], directory)
    return np.memmap(file.path, np.float16, "r", array.offset, (array.rows, width)).view(np.ndarray)


def check_sizes(files: Sequence[ExternalFile], directory: Path) -> None:
    """Refuse files that are gone or of another size; reads nothing."""
    for file in files:
        try:
            size = os.stat(file.path).st_size
        except OSError as error:
            raise StoreError(
                f"{file.path}: {error.strerror}; the store {directory} names this file instead of holding its rows: "
                "put it back (on every node, at this path), or plan again with --data-root where it lies now"
            ) from error
        if size != file.bytes:
            raise ChangedDataError(
                f"{file.path}: {size:,} bytes now, {file.bytes:,} when the store {directory} was made; put the earlier "
                "file back, or name another --store and another --runs to start afresh"
            )


def paths_now(arrays: Sequence[ExternalArray], source: Source) -> list[tuple[str, ...]]:
    """Where the files of arrays lie, as an opened data set has found them."""
    tables = [source.splits[array.splits[0]].table for array in arrays]
    return [table.vectors.paths for table in tables if isinstance(table, VectorTable)]


def changed_files(arrays: Sequence[ExternalArray], paths: Sequence[Sequence[str]]) -> list[str]:
    """The files whose content differs from what a store names, each in words.

    Args:
        paths: of the files of each array as they lie now; those of the right size are read.
    """
    found: list[str] = []
    for array, now in zip(arrays, paths, strict=True):
        if len(now) != len(array.files):
            found.append(f"{now[0]}: {len(now):,} files instead of {len(array.files):,}")
            continue
        for file, path in zip(array.files, now, strict=True):
            size = os.stat(path).st_size
            if size != file.bytes:
                found.append(f"{path}: {size:,} bytes instead of {file.bytes:,}")
            elif (there := hashed_file(path).sha256) != file.sha256:
                found.append(f"{path}: SHA-256 {there[:12]} instead of {file.sha256[:12]}")
    return found

"""Rows that are embeddings, with their ids and labels; and what of a file's arrays or columns holds which."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.datasets import Files, Records, Rows
from labelbench_ray.datasets.vectors.arrays import NpyVectors, Vectors
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels

FEWEST_DIGITS: Final = 8
"""Of row numbers that stand for ids, so that most data sets may grow and keep their ids."""
VANISHED: Final = 0x7E5A
"""The bits of a NaN that stands for each number of a row that float16 would hold as zeros alone."""
GROUPED: Final = 4
"""Digits of a number that are looked up together."""
_GROUPS_G: Final = np.frombuffer("".join(f"{group:04d}" for group in range(10**GROUPED)).encode(), np.uint32)
"""(10,000,) the digits of each number, as the 4 bytes of an integer."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """Embeddings in files. A row's payload is its numbers as little-endian float16, as the store keeps them."""

    vectors: Vectors
    labels_N: NDArray[np.int64]
    ids_N: Any
    """A pyarrow array of large strings; None: rows are named by their numbers."""
    folder: str
    """Names of files are relative to it."""
    beside: tuple[str, ...]
    """The paths of files of labels and ids, which follow those of the embeddings."""
    found: Files

    def __len__(self) -> int:
        return len(self.labels_N)

    def read(self, rows: Rows) -> Records:
        rows_B = row_numbers(rows)
        half_BD = to_half(self.vectors.take(rows_B))
        return Records(self.row_ids(rows_B).to_pylist(), [row_D.tobytes() for row_D in half_BD], self.labels(rows_B))

    def labels(self, rows: Rows) -> Labels:
        labels_B: Labels = self.labels_N[row_numbers(rows)]
        return labels_B

    def row_ids(self, rows: Rows) -> Any:  # noqa: ANN401  pyarrow has no types
        rows_B = row_numbers(rows)
        return numbered(rows_B, len(self)) if self.ids_N is None else self.ids_N.take(pa.array(rows_B))

    def found_files(self) -> Files:
        return self.found

    def file_numbers(self, rows: Rows) -> NDArray[np.int64]:
        return self.vectors.file_numbers(row_numbers(rows))

    def labels_hash(self) -> str:
        hashed = hashlib.sha256(self.labels_N.astype("<i8").tobytes())
        if self.ids_N is not None:
            hashed.update("\0".join(self.ids_N.to_pylist()).encode())
        return hashed.hexdigest()

    def locations(self, rows: Rows) -> list[str]:
        """The file of each of these rows, and its number in the table."""
        files = self.file_numbers(rows).tolist()
        return [f"{self.vectors.paths[file]}, row {row}" for file, row in zip(files, rows, strict=True)]

    @property
    def mapped(self) -> NpyVectors | None:
        """The array that can be read where it lies; None for one that is converted."""
        return self.vectors if isinstance(self.vectors, NpyVectors) and not self.vectors.why_converted else None


def row_numbers(rows: Rows) -> NDArray[np.int64]:
    """The numbers as an array; of a range, numpy itself would take each one as a Python object."""
    return np.arange(rows.start, rows.stop, rows.step) if isinstance(rows, range) else np.asarray(rows, np.int64)


def to_half(rows_BD: NDArray[np.floating]) -> NDArray[np.float16]:
    """(B, D) little-endian float16; infinite where a number is too large; `VANISHED` where all numbers of a row that
    is not zero are too small.
    """
    with np.errstate(over="ignore", under="ignore"):
        half_BD: NDArray[np.float16] = rows_BD.astype("<f2", copy=False)
    if rows_BD.dtype.itemsize > 2:
        bits_BD = half_BD.view("<u2")
        near = np.flatnonzero(bits_BD[:, 0] << 1 == 0)  # few, so that whole rows need not be compared
        near = near[~(bits_BD[near] << 1).any(axis=1)]
        bits_BD[near[rows_BD[near].any(axis=1)]] = VANISHED
    return half_BD


def numbered(rows_B: NDArray[np.int64], num_rows: int) -> Any:  # noqa: ANN401
    """Row numbers as ids of equal length: a pyarrow array of large strings."""
    digits = max(FEWEST_DIGITS, len(str(num_rows - 1)))
    text_BC = np.empty((len(rows_B), digits), np.uint8)
    left_B = rows_B
    for stop in range(digits, 0, -GROUPED):
        left_B, group_B = np.divmod(left_B, 10**GROUPED)
        start = max(0, stop - GROUPED)
        text_BC[:, start:stop] = _GROUPS_G[group_B].view(np.uint8).reshape(-1, GROUPED)[:, start - stop :]
    ends_N = np.arange(len(rows_B) + 1, dtype=np.int64) * digits
    return pa.LargeStringArray.from_buffers(len(rows_B), pa.py_buffer(ends_N), pa.py_buffer(text_BC))


def text_ids(values: Any, where: str) -> Any:  # noqa: ANN401
    """Ids as a pyarrow array of large strings.

    Raises:
        DataError: ids that are no texts or integers, one that is missing or empty, or that two rows have.
    """
    column = plain_array(values, where, "ids")
    if not (pa.types.is_integer(column.type) or _is_text(column.type)):
        raise DataError(f"{where}: ids are {column.type}; ids are texts or integers; convert them")
    ids_N = column.cast(pa.large_string())
    if ids_N.null_count or pc.any(pc.equal(ids_N, "")).as_py():
        row = pc.index(pc.fill_null(pc.equal(ids_N, ""), True), True).as_py()
        raise DataError(f"{where}, row {row}: no id; every row needs one, or leave the ids out to have rows numbered")
    if pc.count_distinct(ids_N).as_py() != len(ids_N):
        counts = pc.value_counts(ids_N)
        most = pc.index(counts.field("counts"), pc.max(counts.field("counts"))).as_py()
        raise DataError(
            f"{where}: id {counts[most]['values'].as_py()!r} stands in {counts[most]['counts'].as_py():,} rows; ids "
            "are the keys of rows and must be distinct; rename all but one"
        )
    return ids_N


def plain_array(values: Any, where: str, what: str) -> Any:  # noqa: ANN401
    """Labels or ids as one pyarrow array, given a numpy array or a column; `DataError` where they are not (N,)."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"{where}: shape {values.shape}; {what} have the shape (N,), one for each row")
        if values.dtype.kind in "SU":
            return pa.array(_unicode(values, where))
        if values.dtype.kind not in "iuf":
            raise DataError(f"{where}: holds {values.dtype}; {what} are texts or integers; convert them")
        return pa.array(values.astype(values.dtype.newbyteorder("=")))
    column = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    plain = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    if _is_text(plain.type):
        try:
            plain.validate(full=True)
        except pa.ArrowInvalid:
            _unicode(np.array(plain.cast(pa.large_binary()).to_pylist(), object), where)
            raise
    return plain


def _unicode(texts_N: NDArray[Any], where: str) -> NDArray[Any]:
    """Texts, or their bytes in UTF-8, as numpy texts; `DataError` for one that is not Unicode, with its row."""
    try:
        if texts_N.dtype.kind == "U":
            np.char.encode(texts_N, "utf-8")
            return texts_N.astype(texts_N.dtype.newbyteorder("="))
        if texts_N.dtype.kind == "S":
            return np.char.decode(texts_N, "utf-8")
    except UnicodeError:
        pass
    for row, text in enumerate(texts_N.tolist()):
        try:
            text.encode() if isinstance(text, str) else (text or b"").decode()
        except (UnicodeError, ValueError) as error:
            raise DataError(f"{where}, row {row}: {text!r} is not Unicode; save the texts as UTF-8") from error
    return texts_N


def check_count(count: int, num_rows: int, where: str, what: str, vectors: str) -> None:
    """Refuse labels or ids of another number of rows than the embeddings."""
    if count != num_rows:
        raise DataError(
            f"{where}: {count:,} {what}, {vectors} has {num_rows:,} rows; row i of one belongs to row i of the other: "
            "give as many"
        )


def files_found(folder: str, paths: tuple[str, ...]) -> Files:
    """The state of these files."""
    states = [os.stat(path) for path in paths]
    return Files(
        pa.array([os.path.relpath(path, folder) for path in paths], pa.large_string()),
        np.array([state.st_size for state in states], np.int64),
        np.array([state.st_mtime_ns for state in states], np.int64),
    )


def _is_text(kind: Any) -> bool:  # noqa: ANN401
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

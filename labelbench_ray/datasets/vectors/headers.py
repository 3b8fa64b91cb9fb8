"""Headers of arrays in `.npy` files and `.npz` members, checked before anything is read. Nothing is ever unpickled."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.errors import DataError

FLOATS: Final = ("f2", "f4", "f8")
SHOWN_MEMBERS: Final = 8
MOST_TIMES_PACKED: Final = 200
"""How many times its packed bytes a large array may have: embeddings have a few; deflate reaches 1,032 with zeros."""
LARGE: Final = 256 * 2**20
"""Bytes from which on that holds: sorted labels of millions of rows shrink as much, and fit in memory."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What the header of an array states."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    offset: int
    """Bytes before the values."""

    @property
    def bytes(self) -> int:
        """Bytes of header and values."""
        values = self.dtype.itemsize
        for length in self.shape:
            values *= length
        return self.offset + values


def npy_header(path: str) -> ArrayHeader:
    """The header of a `.npy` file.

    Raises:
        DataError: not such a file, one of Python objects, or cut short.
    """
    with _reading(path), open(path, "rb") as file:
        return _header(file, os.fstat(file.fileno()).st_size, path)


def npz_headers(path: str) -> dict[str, ArrayHeader]:
    """The headers of the arrays in a `.npz` file by name; what is packed is not unpacked.

    Raises:
        DataError: as above, or an array is far larger than what is packed can hold.
    """
    found: dict[str, ArrayHeader] = {}
    with _reading(path), zipfile.ZipFile(path) as packed:
        for info in packed.infolist():
            name = info.filename.removesuffix(".npy")
            if name in found:
                raise DataError(f"{path}: two arrays are called {name!r}; write the file again with np.savez")
            _check_times_packed(info, f"{path}, array {name!r}", os.path.getsize(path))
            with packed.open(info) as file:
                found[name] = _header(file, info.file_size, f"{path}, array {name!r}")
    return found


@contextmanager
def npz_member(path: str, name: str) -> Iterator[IO[bytes]]:
    """The unpacked bytes of an array's values, as a stream."""
    with _reading(path), zipfile.ZipFile(path) as packed, packed.open(f"{name}.npy") as file:
        _header(file, packed.getinfo(f"{name}.npy").file_size, f"{path}, array {name!r}")
        yield file


def read_npy(path: str) -> NDArray[Any]:
    """A small array, such as labels; errors as from `npy_header`."""
    npy_header(path)
    with _reading(path):
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def read_npz(path: str, name: str) -> NDArray[Any]:
    """A small array of a `.npz` file; errors as from `npy_header`."""
    with _reading(path), np.load(path, allow_pickle=False) as arrays:
        array: NDArray[Any] = arrays[name]
    return array


def check_vectors(header: ArrayHeader, where: str) -> None:
    """Refuse an array that is not (N, D) floats."""
    if len(header.shape) != 2 or 0 in header.shape:
        raise DataError(
            f"{where}: shape {header.shape}; embeddings have the shape (N, D), D numbers for each of N rows, both at "
            "least 1; reshape the array and save it again"
        )
    if header.dtype.str[1:] not in FLOATS:
        raise DataError(
            f"{where}: holds {header.dtype}; embeddings are float16, float32 or float64; save it again as "
            "`array.astype(numpy.float16)`"
        )


def vectors_member(headers: dict[str, ArrayHeader], named: str | None, path: str) -> str:
    """The name of the array of embeddings in a `.npz` file: as named, `embeddings`, or the only (N, D) floats."""
    names = f"arrays: {', '.join(list(headers)[:SHOWN_MEMBERS]) or 'none'}"
    if named is not None or "embeddings" in headers:
        name = named or "embeddings"
        if name not in headers:
            raise DataError(f"{path}: no array called {name!r} ({names}); name the embeddings as `column`")
        return name
    fits = [name for name, each in headers.items() if len(each.shape) == 2 and each.dtype.str[1:] in FLOATS]
    if len(fits) != 1:
        raise DataError(
            f"{path}: {len(fits)} arrays may be the embeddings ({names}); name the one that is meant as `column`, or "
            "call it 'embeddings'"
        )
    return fits[0]


def _check_times_packed(info: zipfile.ZipInfo, where: str, file_bytes: int) -> None:
    """Refuse a "zip bomb" before memory is taken for it."""
    packed = min(info.compress_size, file_bytes)
    if info.file_size > max(LARGE, MOST_TIMES_PACKED * packed):
        raise DataError(
            f"{where}: {info.file_size:,} bytes from {packed:,} packed ones; an array of more than {LARGE:,} bytes may "
            f"have {MOST_TIMES_PACKED} times as many as are packed; check where the file comes from, or save the array "
            "with numpy.savez, which does not compress"
        )


def _header(file: IO[bytes], size: int, where: str) -> ArrayHeader:
    form = np.lib.format
    version = form.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"version {version} of the format")
    # A newer version differs from 2.0 in the encoding of names of fields only, which a plain array has none of.
    shape, is_fortran, dtype = (form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise DataError(
            f"{where}: holds Python objects, and reading those would run code of the file; save plain numbers or "
            "texts: `numpy.save(path, numpy.stack(rows).astype(numpy.float16))`"
        )
    if dtype.fields or any(length < 0 for length in shape):
        raise ValueError(f"shape {shape} of {dtype}")
    header = ArrayHeader(tuple(map(int, shape)), dtype, bool(is_fortran), file.seek(0, os.SEEK_CUR))
    if header.bytes != size:
        raise DataError(
            f"{where}: {size:,} bytes, its header ({dtype}, shape {shape}) states {header.bytes:,}; copy the file "
            "again from its source"
        )
    return header


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn what reading a damaged file raises into one line that names it."""
    try:
        yield
    except DataError:
        raise
    # A damaged header ends in errors of the tokenizer and the compiler, a damaged archive in those of zlib and of zip.
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: no readable array ({type(error).__name__}: {text}); copy it again from its source, or save it "
            "again with numpy.save or numpy.savez"
        ) from error

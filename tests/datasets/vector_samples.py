"""Files of embeddings as bytes."""

import io
import struct
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROWS_ND: NDArray[np.float16] = np.arange(24, dtype=np.float16).reshape(8, 3)
LABELS_N = np.array([0, 1] * 4)


def npy(array: Any, pickled: bool = False) -> bytes:
    """A `.npy` file."""
    np.save(sink := io.BytesIO(), array, allow_pickle=pickled)
    return sink.getvalue()


def npz(**arrays: Any) -> bytes:
    """A `.npz` file."""
    np.savez_compressed(sink := io.BytesIO(), **arrays)
    return sink.getvalue()


def claims(shape: tuple[int, ...], zeros: int = 0) -> bytes:
    """The header of a `.npy` file of this shape, and so many bytes of values."""
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(sink := io.BytesIO(), header)
    return sink.getvalue() + bytes(zeros)


def zipped(**members: bytes) -> bytes:
    """An archive with these arrays, each the bytes of a `.npy` file."""
    with zipfile.ZipFile(sink := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(f"{name}.npy", data)
    return sink.getvalue()


def bomb(array: bytes, more: int, **members: bytes) -> bytes:
    """An archive whose embeddings are these bytes, and that states so many more in both places that state a size."""
    packed = bytearray(zipped(embeddings=array, **members))
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", packed, packed.index(mark) + offset, len(array) + more)
    return bytes(packed)


def column(rows: Any, kind: Any = None, **others: Any) -> bytes:
    """A parquet file with a column `embedding` beside others."""
    table = pa.table({"embedding": pa.array(rows, kind), **others})
    pq.write_table(table, sink := io.BytesIO())
    return sink.getvalue()

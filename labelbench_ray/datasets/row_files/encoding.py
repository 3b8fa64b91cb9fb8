"""Text files as UTF-8, with or without a byte order mark; everything else is refused with the line."""

import codecs
from typing import Any

import numpy as np
import pyarrow as pa

from labelbench_ray.datasets.files.places import Place
from labelbench_ray.errors import DataError

OTHER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF32_BE: "UTF-32"}


def text_bytes(place: Place) -> Any:  # noqa: ANN401  pyarrow has no types
    """The bytes of a text file, as a buffer without the mark.

    Raises:
        DataError: not UTF-8, or it holds a zero byte; names the line, the bytes and the fix.
    """
    data = pa.py_buffer(place.read())
    if len(data) == 0:
        raise DataError(f"{place}: empty; a text file with a row a line is needed")
    start = bytes(memoryview(data)[:4])
    for mark, name in OTHER_MARKS.items():
        if start.startswith(mark):
            raise DataError(f"{place}: {name}, not UTF-8; convert it, as in iconv -f {name} -t UTF-8")
    if start.startswith(codecs.BOM_UTF8):
        data = data.slice(len(codecs.BOM_UTF8))
    _check(place, data)
    return data


def _check(place: Place, data: Any) -> None:  # noqa: ANN401
    bytes_N = np.frombuffer(data, np.uint8)
    if len(zeros := np.flatnonzero(bytes_N == 0)):
        line = 1 + int((bytes_N[: zeros[0]] == ord("\n")).sum())
        raise DataError(f"{place}, line {line}: a zero byte, so not a text file, or damaged; copy it from its source")
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:  # in place: a Python text of a large file would need up to four times its memory
        pa.LargeStringArray.from_buffers(1, offsets, data).validate(full=True)
    except pa.ArrowException:
        _refuse(place, bytes(data))


def _refuse(place: Place, data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        begin = data.rfind(b"\n", 0, error.start) + 1
        around = data[begin:].split(b"\n", 1)[0][max(0, error.start - begin - 20) :][:40].decode("latin-1").strip()
        raise DataError(
            f"{place}, line {line}: the byte 0x{data[error.start]:02x} is not UTF-8 (latin-1 has {around!r} there); "
            "convert the file, as in iconv -f LATIN1 -t UTF-8"
        ) from error

"""Image files written by hand, for what Pillow does not write: so that reading them has an independent oracle."""

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION = 0x0112


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """A file as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def png(width: int, height: int, bits: int, color: int, rows: bytes, *, transparent: bytes = b"") -> bytes:
    """A PNG of rows that are packed as the format wants them, filter bytes included."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    key = chunk(b"tRNS", transparent) if transparent else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + key + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def tiff(
    samples: NDArray[np.generic] | bytes,
    size: tuple[int, int],
    photometric: int,
    bits: Sequence[int],
    *,
    kind: int = 1,
    extra: int | None = None,
    colors: Sequence[int] = (),
) -> bytes:
    """An uncompressed little-endian TIFF of one strip.

    Args:
        samples: as they lie in the file.
        size: width and height.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 CIELAB.
        bits: of each sample of a pixel.
        kind: 1 unsigned, 2 signed, 3 float.
        extra: what the last sample is: 0 unspecified, 1 associated alpha, 2 alpha.
        colors: the palette, 16 bits each, all red, all green, all blue.
    """
    data = samples if isinstance(samples, bytes) else samples.tobytes()
    tags: list[tuple[int, int, list[int]]] = [
        (256, 4, [size[0]]),
        (257, 4, [size[1]]),
        (258, 3, list(bits)),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [len(bits)]),
        (278, 4, [size[1]]),
        (279, 4, [len(data)]),
        *([(320, 3, list(colors))] if colors else []),
        *([(338, 3, [extra])] if extra is not None else []),
        (339, 3, [kind] * len(bits)),
    ]
    after = 8 + len(data) + len(data) % 2
    entries, more = b"", b""
    heap = after + 2 + 12 * len(tags) + 4
    for tag, form, values in tags:
        packed = struct.pack(f"<{len(values)}{'H' if form == 3 else 'I'}", *values)
        if len(packed) > 4:
            where, more = struct.pack("<I", heap + len(more)), more + packed
        else:
            where = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, form, len(values)) + where
    header = b"II*\0" + struct.pack("<I", after)
    return header + data + b"\0" * (len(data) % 2) + struct.pack("<H", len(tags)) + entries + b"\0" * 4 + more

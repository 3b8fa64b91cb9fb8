"""Bytes of files of rows, as libraries write them."""

import io
import json
import tarfile
import wave
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def png(seed: int = 0) -> bytes:
    """A small image."""
    buffer = io.BytesIO()
    pixels_HWC = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(buffer, "PNG")
    return buffer.getvalue()


PNG = png()


def wav(seed: int = 0) -> bytes:
    """A tenth of a second of noise."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(16_000)
        made.writeframes(np.random.default_rng(seed).integers(-9_999, 9_999, 1_600, dtype="<i2").tobytes())
    return buffer.getvalue()


def features(**columns: Any) -> bytes:
    """The schema's metadata of Hugging Face `datasets`."""
    return json.dumps({"info": {"features": columns}}).encode()


def table(columns: dict[str, Any], metadata: bytes | None = None) -> Any:
    """An Arrow table with such metadata."""
    made = pa.table(columns)
    return made.replace_schema_metadata({"huggingface": metadata}) if metadata else made


def parquet(columns: dict[str, Any], metadata: bytes | None = None, rows: int = 2) -> bytes:
    """A parquet file of row groups of `rows` rows."""
    buffer = io.BytesIO()
    pq.write_table(table(columns, metadata), buffer, row_group_size=rows)
    return buffer.getvalue()


def tar(members: dict[str, Any]) -> bytes:
    """A tar file of these members, in order; texts are encoded."""
    return tar_of(list(members.items()))


def tar_of(members: list[tuple[str, Any]]) -> bytes:
    """The same, where a name may occur twice."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, content in members:
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def arrow(columns: dict[str, Any], metadata: bytes | None = None, rows: int = 2) -> bytes:
    """An Arrow stream of batches of `rows` rows, as `save_to_disk` writes them."""
    buffer, made = io.BytesIO(), table(columns, metadata)
    with pa.ipc.new_stream(buffer, made.schema) as writer:
        writer.write_table(made, max_chunksize=rows)
    return buffer.getvalue()

"""Parquet tables that are published at once, with checksums."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.storage.atomic import publish


def write_table(path: Path, table: Any, metadata: Mapping[str, str]) -> None:  # noqa: ANN401
    """Publish a table, with checksums."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd", write_page_checksum=True)
    publish(path, bytes(sink.getvalue()))


def read_table(path: Path) -> Any:  # noqa: ANN401
    """A published table; None if it is missing or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError):
        return None

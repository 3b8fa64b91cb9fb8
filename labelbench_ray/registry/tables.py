"""The tables of a registry as files: written with their version, read with limits."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.errors import RegistryError
from labelbench_ray.registry.archive import HOW
from labelbench_ray.storage.versions import __version__

MOST_ROWS: Final = 100_000_000
LARGEST_TABLE: Final = 8 * 2**30
"""Bytes once decompressed."""


def table_bytes(table: Any) -> bytes:  # noqa: ANN401  pyarrow has no types
    """A table as a parquet file; the same table gives the same bytes."""
    sink = io.BytesIO()
    stated = table.schema.metadata | {b"written_by": f"labelbench_ray {__version__}".encode()}
    pq.write_table(table.replace_schema_metadata(stated), sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def read_registry_table(path: Path, schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """A table of a registry, with the columns of the version that it states.

    Args:
        path: the file.
        schemas: by version, what may be read.

    Raises:
        RegistryError: it cannot be read, is of another version, has other columns, or is too large.
    """
    try:
        data = path.read_bytes()
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            schema = _checked_schema(path, file, schemas)
            table = file.read()
        table.validate(full=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, RegistryError):
            raise
        text = " ".join(str(error).split())[:200]
        raise RegistryError(
            f"{path}: cannot be read as a table of a registry ({text}); copy it again, or {HOW}"
        ) from error
    return table.replace_schema_metadata(schema.metadata)


def completed(table: Any, schema: Any) -> Any:  # noqa: ANN401
    """A table of an older version with the columns of a newer one; those that it lacks are null."""
    nothing = {field.name: pa.nulls(table.num_rows, field.type) for field in schema}
    columns = [table[name] if name in table.column_names else nothing[name] for name in schema.names]
    return pa.table(columns, schema=schema)


def _checked_schema(path: Path, file: Any, schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401
    found = file.schema_arrow
    stated = (found.metadata or {}).get(b"schema_version", b"none").decode(errors="replace")
    if stated not in schemas:
        known = " and ".join(schemas)
        raise RegistryError(f"{path}: states schema_version {stated[:20]}, this version reads {known}; {HOW}")
    schema = schemas[stated]
    if not found.equals(schema, check_metadata=False):
        odd = _odd(found, schema) or ["their order"]
        raise RegistryError(f"{path}: has other columns than a registry's table ({', '.join(odd[:4])}); {HOW}")
    size = sum(file.metadata.row_group(place).total_byte_size for place in range(file.metadata.num_row_groups))
    if file.metadata.num_rows > MOST_ROWS or size > LARGEST_TABLE:
        raise RegistryError(
            f"{path}: {file.metadata.num_rows:,} rows in {size:,} bytes, too large for a registry; {HOW}"
        )
    return schema


def _odd(found: Any, schema: Any) -> list[str]:  # noqa: ANN401
    """The columns that one of two schemas lacks, or has with another type."""
    return [
        f"{field.name}: {field.type}"
        for one, other in ((schema, found), (found, schema))
        for field in one
        if other.get_field_index(field.name) < 0 or not other.field(field.name).type.equals(field.type)
    ]

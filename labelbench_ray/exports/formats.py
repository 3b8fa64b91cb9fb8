"""Tables and values as the bytes of files: CSV for spreadsheets, parquet, JSON."""

import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import BaseModel

from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.statistics.comparison import Curves
from labelbench_ray.storage.spreadsheets import guarded

FORMULA: Final = "^('*[=+\\-@\t\r])"
"""What `storage.spreadsheets.guarded` puts an apostrophe before."""


def csv_bytes(table: Any) -> bytes:  # noqa: ANN401  pyarrow has no types
    """UTF-8 with a header; null is an empty cell, and no text is one that a spreadsheet runs as a formula."""
    columns = [
        pc.replace_substring_regex(values, FORMULA, r"'\1") if pa.types.is_string(values.type) else values
        for values in table.columns
    ]
    sink = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(columns, names=list(map(guarded, table.column_names))), sink)
    return sink.getvalue()


def parquet_bytes(table: Any) -> bytes:  # noqa: ANN401
    """With types, compressed, with checksums."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def json_bytes(value: object) -> bytes:
    """Strict JSON of plain data."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode(errors="replace")


def plain(value: object) -> Any:  # noqa: ANN401  JSON
    """Any value of a report as JSON data: dataclasses are objects, a setting is its recipe, and trials are left out.

    What is not finite is null.
    """
    if isinstance(value, Setting):
        return value.recipe
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if is_dataclass(value):
        named = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: plain(inner) for name, inner in named if not isinstance(inner, Run | Curves)}
    return value

"""Windows: the shards of a store that names external files. Each holds ids, labels and row numbers, not embeddings.

    <store>/<key>/shards/pool-00000.parquet    row_id, label, row: the number of its row in the external array

Rows have the order that shards of embeddings have. A window's hash covers the hash of the files.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from labelbench_ray.datasets import Split
from labelbench_ray.datasets.vectors.table import VectorTable, row_numbers
from labelbench_ray.embeddings.decoding import SORTED_ROWS
from labelbench_ray.embeddings.label_columns import label_array, label_column
from labelbench_ray.embeddings.shards import HINT, ShardEntry, shard_content
from labelbench_ray.encoders.precomputed import why_rejected
from labelbench_ray.errors import StoreError
from labelbench_ray.types import Labels

WINDOW_ROWS: Final = 1 << 18
"""Rows of a window: few files, each read in a fraction of a second."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowRows:
    """A window's rows in their order."""

    row_ids: Any
    """A pyarrow array of large strings."""
    labels_B: Labels
    rows_B: NDArray[np.int64]
    """Numbers of rows in the external array."""
    rejects: Mapping[str, str]
    """Of the whole split, in its first window: ids and reasons."""

    def sha256(self, array: str) -> str:
        """Hash of all that a trial's numbers depend on; `array`: the hash of the external array."""
        hashed = sha256(b"window")
        labels_B = self.labels_B.astype(self.labels_B.dtype.newbyteorder("<"))
        for part in (*_text_parts(self.row_ids), labels_B, self.rows_B.astype("<i8")):
            hashed.update(np.ascontiguousarray(part).data)
        hashed.update(json.dumps([array, dict(self.rejects)], sort_keys=True).encode())
        return hashed.hexdigest()


def _text_parts(texts: Any) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:  # noqa: ANN401
    """The lengths of texts, and all of their bytes."""
    _, offsets, data = texts.buffers()
    ends_N = np.frombuffer(offsets, "<i8")[texts.offset : texts.offset + len(texts) + 1]
    every = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return np.diff(ends_N), every[ends_N[0] : ends_N[-1]]


def window_bytes(window: WindowRows) -> bytes:
    """The window as a parquet file."""
    columns = {"row_id": window.row_ids, "label": label_column(window.labels_B), "row": pa.array(window.rows_B)}
    table = pa.table(columns).replace_schema_metadata({"rejects": json.dumps(dict(window.rejects))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    return bytes(sink.getvalue())


def read_window(directory: Path, entry: ShardEntry, array: str) -> WindowRows:
    """The window that a manifest states; `StoreError` where it is missing, damaged or another one."""
    path = directory / entry.file
    data = shard_content(path)
    try:
        table = pq.read_table(pa.BufferReader(data)).combine_chunks()
        ids = table.column("row_id").cast(pa.large_string())
        rejects = json.loads((table.schema.metadata or {})[b"rejects"])
        row_ids = pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], pa.large_string())
        window = WindowRows(row_ids, label_array(table.column("label")), table.column("row").to_numpy(), rejects)
        is_same = window.sha256(array) == entry.sha256 and len(row_ids) == entry.rows
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: no readable shard ({type(error).__name__}: {error}); {HINT}") from error
    if not is_same:
        raise StoreError(f"{path}: its content is not what the manifest states; {HINT}")
    return window


@dataclass(frozen=True, slots=True, eq=False)
class OrderedRows:
    """The rows of a split in the order of the store, those that will be rejected among them."""

    table: VectorTable
    rows_N: NDArray[np.int64]
    """Numbers of rows in the table."""
    row_ids: Any
    """A pyarrow array of large strings."""

    @property
    def is_ascending(self) -> bool:
        """Whether the rows have the order of the table."""
        return bool((self.rows_N[1:] > self.rows_N[:-1]).all())


def ordered_rows(split: Split) -> OrderedRows:
    """The rows of a split, as a store orders them."""
    table = split.table
    assert isinstance(table, VectorTable)
    rows_N = row_numbers(split.rows)
    rows = OrderedRows(table, rows_N, table.row_ids(rows_N))
    if table.ids_N is None and rows.is_ascending:  # row numbers of equal length
        return rows
    if (order_N := _order(rows.row_ids)) is None:
        return rows
    return OrderedRows(table, rows_N[order_N], rows.row_ids.take(pa.array(order_N)))


def windows(ordered: OrderedRows, finite_N: NDArray[np.bool_], rows_MD: NDArray[np.float16]) -> Iterator[WindowRows]:
    """The rows of a split, cut into windows; rows that are not finite in the array are rejected."""
    rows_N, row_ids = ordered.rows_N, ordered.row_ids
    if not len(rows_N):
        return
    kept_N = finite_N[rows_N]
    rejects: dict[str, str] = {}
    if not kept_N.all():
        rejected = zip(row_ids.filter(pa.array(~kept_N)).to_pylist(), rows_N[~kept_N].tolist(), strict=True)
        rejects = {row_id: why_rejected(rows_MD[row]) for row_id, row in sorted(rejected)}
        rows_N, row_ids = rows_N[kept_N], row_ids.filter(pa.array(kept_N))
    for start in range(0, max(1, len(rows_N)), WINDOW_ROWS):
        rows_B = rows_N[start : start + WINDOW_ROWS]
        ids = row_ids.slice(start, WINDOW_ROWS)
        yield WindowRows(ids, ordered.table.labels(rows_B), rows_B, {} if start else rejects)


def _order(row_ids: Any) -> NDArray[np.int64] | None:  # noqa: ANN401  pyarrow has no types
    """The order of rows in a store, by `SORTED_ROWS`; None if they have it."""
    descends_N = np.asarray(pc.greater(row_ids[:-1], row_ids[1:]).to_numpy(zero_copy_only=False), bool)
    inside_N = np.arange(1, len(row_ids)) % SORTED_ROWS != 0
    if not (descends_N & inside_N).any():
        return None
    keys = pa.table({"group": pa.array(np.arange(len(row_ids)) // SORTED_ROWS), "id": row_ids})
    order = pc.sort_indices(keys, [("group", "ascending"), ("id", "ascending")])
    return np.asarray(order.to_numpy(), np.int64)

"""Ids and labels of external rows with the places of the rows, so that ids which name other rows are detected."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelbench_ray.datasets import Source
from labelbench_ray.datasets.vectors.table import VectorTable, row_numbers
from labelbench_ray.embeddings.external.windows import read_window
from labelbench_ray.embeddings.label_columns import label_column
from labelbench_ray.embeddings.manifests import Manifest
from labelbench_ray.embeddings.shards import ShardEntry
from labelbench_ray.storage.parallel import read_each


def recorded_places(directory: Path, manifest: Manifest) -> dict[str, Any]:
    """The rows of every split as tables of row_id, label and content: the row's number; null for rejected rows.

    Raises:
        StoreError: a window is missing or damaged.
    """
    tables = read_each(partial(_window_places, directory, manifest), manifest.shards)
    found = {name: [tables[0].slice(0, 0)] for name in manifest.splits}
    for entry, table in zip(manifest.shards, tables, strict=True):
        found[entry.split].append(table)
    return {name: pa.concat_tables(each) for name, each in found.items()}


def places_now(source: Source) -> dict[str, Any]:
    """The same of the rows that an opened data set has now."""
    found: dict[str, Any] = {}
    for name, split in source.splits.items():
        rows_N = row_numbers(split.rows)
        table = split.table
        assert isinstance(table, VectorTable)
        found[name] = _table(table.row_ids(rows_N), label_column(table.labels(rows_N)), pa.array(rows_N))
    return found


def _window_places(directory: Path, manifest: Manifest, entry: ShardEntry) -> Any:  # noqa: ANN401
    window = read_window(directory, entry, manifest.array_of(entry.split).content)
    labels = label_column(window.labels_B)
    rejects = _table(
        pa.array([*window.rejects], pa.large_string()),
        pa.nulls(len(window.rejects), labels.type),
        pa.nulls(len(window.rejects), pa.int64()),
    )
    return pa.concat_tables([_table(window.row_ids, labels, pa.array(window.rows_B)), rejects])


def _table(row_ids: Any, labels: Any, rows: Any) -> Any:  # noqa: ANN401  pyarrow has no types
    return pa.table([row_ids, labels, rows], names=["row_id", "label", "content"])

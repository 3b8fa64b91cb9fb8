"""What the footers of shards state, read without their rows."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.embeddings.shards import HINT, ShardEntry
from labelbench_ray.errors import StoreError
from labelbench_ray.storage.remote import is_remote


def check_counts(directory: Path, entries: Iterable[ShardEntry]) -> None:
    """Refuse shards whose number of rows differs from the manifest, before memory or disk is allocated for them.

    Shards of a remote store are not read twice: the stated rows are allocated in a sparse file, and each shard is
    checked when it is read.
    """
    for entry in () if is_remote(directory) else entries:
        path = directory / entry.file
        try:
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{path}: no readable shard ({type(error).__name__}: {error}); {HINT}") from error
        if rows != entry.rows:
            raise StoreError(
                f"{path}: {rows} rows, the manifest states {entry.rows}; delete {directory} to embed again"
            )

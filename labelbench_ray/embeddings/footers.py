"""What the footers of shards state, read without their rows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.embeddings.shards import HINT, ShardEntry, ShardSummary, shard_content, summary_hash
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


@dataclass(frozen=True, slots=True)
class ShardFooter:
    """What the footer of a shard states, as far as a checksum covers it."""

    summary: ShardSummary
    recipe: str
    compute: str
    rejects: Mapping[str, str]


def read_footer(path: Path) -> ShardFooter | None:
    """The footer of a shard on disk, without its rows, whose damage it does not show.

    None where the shard has to be read: its footer is damaged or of an older store, or the shard is remote.
    """
    if is_remote(path):
        return None
    try:
        file = pq.read_metadata(path)
        metadata = {key.decode(): value.decode() for key, value in file.metadata.items() if key != b"ARROW:schema"}
        summary = ShardSummary.model_validate_json(metadata["summary"])
        if metadata["summary_sha256"] != summary_hash(metadata) or summary.rows != file.num_rows:
            return None
        return ShardFooter(summary, metadata["recipe"], metadata["compute"], json.loads(metadata["rejects"]))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError):
        return None


def read_rejects(path: Path) -> dict[str, str]:
    """The rows that a shard rejected, with their reasons; `StoreError` names a bad file."""
    data = shard_content(path)
    try:
        metadata = pq.read_schema(pa.BufferReader(data)).metadata
        return {str(row_id): str(reason) for row_id, reason in json.loads(metadata[b"rejects"]).items()}
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: no readable shard ({type(error).__name__}: {error}); {HINT}") from error

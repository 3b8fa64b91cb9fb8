"""The contents of a shard's rows, read without their embeddings."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.embeddings.contents import contents_table
from labelbench_ray.embeddings.shards import HINT, ShardEntry, contents_of, shard_content
from labelbench_ray.errors import StoreError
from labelbench_ray.storage.remote import is_remote


def read_contents(directory: Path, entry: ShardEntry) -> Any:  # noqa: ANN401  pyarrow has no types
    """Key, label and content of every row of a shard, including rejects, with the schema `contents.SCHEMA`.

    Raises:
        StoreError: the file is missing, damaged or not what the manifest states.
    """
    path = directory / entry.file
    source = pa.BufferReader(shard_content(path)) if is_remote(path) else path
    try:
        with pq.ParquetFile(source) as file:
            wanted = ("row_id", "label", *(("content", "folded") if entry.contents else ()))
            table = file.read([name for name in wanted if name in file.schema_arrow.names])
        row_ids, contents = table.column("row_id").to_pylist(), contents_of(table)
        rejects = json.loads(table.schema.metadata[b"rejects"])
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{path}: no readable shard ({type(error).__name__}: {error}); {HINT}") from error
    if entry.contents and (contents is None or contents.sha256(row_ids) != entry.contents):
        raise StoreError(f"{path}: its content is not what the manifest states; {HINT}")
    rejected = contents.rejected if contents else {}
    unknown, unknown_rejects = [None] * len(row_ids), [None] * len(rejects)
    hashes = contents.hashes() if contents else unknown
    folded = (contents.folded_hashes() if contents else []) or unknown
    labels = table.column("label")
    of_rejects = pa.array([rejected[each][0] if contents else None for each in rejects], labels.type)
    return contents_table(
        [*row_ids, *rejects],
        pa.concat_arrays([*labels.chunks, of_rejects]),
        [*hashes, *(bytes.fromhex(rejected[each][1]) if contents else None for each in rejects)],
        [*folded, *unknown_rejects],
    )

"""A shard of an embedding store: one parquet file that is complete or absent, and that states what made it.

Columns: row_id (string), label (int64, or a list of int8), embedding (list of float16), in the order that `decoding`
states; content and,
for texts, folded (hashes of the payload, 16 bytes each: see `contents`; neither in views nor in older stores); for
splits with groups, group (int64); for facts of pool rows, fact.NAME (double). The schema's metadata holds the recipe,
the rejected rows with their reasons and contents, a hash of everything, and a summary with a hash of its own, which
is read without the rows (not in older stores).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from labelbench_ray.datasets import LONGEST_SPLIT_NAME, SPLIT_NAME
from labelbench_ray.embeddings.contents import HASH_BYTES, RowContents
from labelbench_ray.embeddings.label_columns import label_array, label_column
from labelbench_ray.errors import StoreError
from labelbench_ray.plugins import Frozen
from labelbench_ray.pool.facts import Facts
from labelbench_ray.storage.remote import is_remote
from labelbench_ray.types import Labels

HINT = "delete it, and `labelbench embed` embeds it again (a view's, once the view's manifest.json is deleted, too)"


FACT: Final = "fact."
"""Begins the name of a fact's column."""


class ShardId(NamedTuple):
    """Names a shard of a store: a stretch of consecutive rows of one split."""

    split: str
    number: int
    view: int | None = None
    """The augmented view that it belongs to; None: the store's own embeddings."""

    @property
    def file(self) -> str:
        """Its file's name below the folder of the store, or of the view."""
        return f"shards/{self.split}-{self.number:05d}.parquet"


class ShardEntry(Frozen):
    """A shard's file, rows and content."""

    split: Annotated[str, Field(pattern=rf"^{SPLIT_NAME}$", max_length=LONGEST_SPLIT_NAME)]
    """Part of a file's name; as it is read from a file, the pattern keeps it from leading out of the store."""
    number: NonNegativeInt
    rows: NonNegativeInt
    sha256: str
    """Hash of row ids, labels and embeddings."""
    contents: str = ""
    """Hash of the rows' content in the data set; "" for views and for older stores."""

    @property
    def id(self) -> ShardId:
        """Names the shard in a store."""
        return ShardId(self.split, self.number)

    @property
    def file(self) -> str:
        """The name of its file below the folder of the store, or of the view."""
        return self.id.file


@dataclass(frozen=True, slots=True, eq=False)
class ShardRows:
    """A shard's rows in their order: embeddings (B, D) float16, labels (B, ...); and the rejected ones."""

    row_ids: list[str]
    labels_B: Labels
    embeddings_BD: NDArray[np.float16]
    rejects: Mapping[str, str]
    contents: RowContents | None = None
    """None for views and for older stores."""

    groups_B: NDArray[np.int64] | None = None
    """Group numbers; None for splits without groups and for views."""
    facts: Facts = field(default_factory=Facts)
    """Facts of pool rows."""

    def contents_sha256(self) -> str:
        """Hash of the contents; "" if there are none."""
        return self.contents.sha256(self.row_ids) if self.contents else ""

    def sha256(self) -> str:
        """Hash of everything that a trial's numbers depend on."""
        hashed = sha256("\0".join(self.row_ids).encode())
        labels_B = self.labels_B.astype(self.labels_B.dtype.newbyteorder("<"))
        for part in (labels_B, self.embeddings_BD.astype("<f2")):
            hashed.update(np.ascontiguousarray(part).data)
        hashed.update(json.dumps(dict(self.rejects), sort_keys=True).encode())
        if self.groups_B is not None:
            hashed.update(b"group")
            hashed.update(np.ascontiguousarray(self.groups_B.astype("<i8")).data)
        for name in sorted(self.facts):
            hashed.update(f"fact {name}".encode())
            hashed.update(np.ascontiguousarray(self.facts[name].astype("<f8")).data)
        return hashed.hexdigest()


class ShardSummary(Frozen):
    """What a shard's footer states about its rows."""

    rows: NonNegativeInt
    dimensions: PositiveInt
    sha256: str
    """As in `ShardEntry`, like the next one."""
    contents: str = ""


def shard_bytes(shard: ShardRows, recipe: str, compute: str) -> bytes:
    """The shard as a parquet file that states its recipe, so that a resumed embedding recognizes it."""
    dimensions = shard.embeddings_BD.shape[1]
    columns = {
        "row_id": pa.array(shard.row_ids, pa.string()),
        "label": label_column(shard.labels_B),
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(shard.embeddings_BD.reshape(-1), pa.float16()), dimensions
        ),
    }
    if shard.groups_B is not None:
        columns["group"] = pa.array(shard.groups_B, pa.int64())
    columns |= {f"{FACT}{name}": pa.array(values_B, pa.float64()) for name, values_B in shard.facts.items()}
    summary = _summary(shard)
    summarized = {
        "recipe": recipe,
        "compute": compute,
        "rejects": json.dumps(dict(shard.rejects)),
        "summary": summary.model_dump_json(),
    }
    metadata = summarized | {
        "sha256": _stated(summary, recipe, compute),
        "summary_sha256": summary_hash(summarized),
    }
    if shard.contents:
        columns["content"] = pa.array(shard.contents.hashes(), pa.binary(HASH_BYTES))
        if shard.contents.folded:
            columns["folded"] = pa.array(shard.contents.folded_hashes(), pa.binary(HASH_BYTES))
        metadata["rejected"] = json.dumps(shard.contents.rejected)
    table = pa.table(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    # Embeddings do not compress, and a dictionary of them would be larger.
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    return bytes(sink.getvalue())


@dataclass(frozen=True, slots=True, eq=False)
class LoadedShard:
    """A shard as it was read, with the recipe and compute path that it states."""

    rows: ShardRows
    recipe: str
    compute: str
    bytes: int
    """Of its file."""


def load_shard(path: Path) -> LoadedShard:
    """Read a shard and check its hash; `StoreError` for a file that is missing or damaged."""
    data = shard_content(path)
    try:
        table = pq.read_table(pa.BufferReader(data))
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        dimensions = table.schema.field("embedding").type.list_size
        flat = table.column("embedding").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        rows = ShardRows(
            table.column("row_id").to_pylist(),
            label_array(table.column("label")),
            flat.reshape(-1, dimensions),
            json.loads(metadata["rejects"]),
            contents_of(table),
            table.column("group").to_numpy() if "group" in table.column_names else None,
            Facts({name[len(FACT) :]: table[name].to_numpy() for name in table.column_names if name.startswith(FACT)}),
        )
        shard = LoadedShard(rows, metadata["recipe"], metadata["compute"], len(data))
        summary = _summary(rows)
        complete = metadata["sha256"] == _stated(summary, shard.recipe, shard.compute)
        if "summary" in metadata:
            stated = summary.model_dump_json(), summary_hash(metadata)
            complete &= stated == (metadata["summary"], metadata["summary_sha256"])
    except pa.ArrowMemoryError:  # not a fault of the file
        raise
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: no readable shard ({type(error).__name__}: {error}); {HINT}") from error
    if not complete:
        raise StoreError(f"{path}: its content does not have the hash that it states; {HINT}")
    return shard


def contents_of(table: Any) -> RowContents | None:  # noqa: ANN401  pyarrow has no types
    """What a shard's table states of its rows' content; None for views and for older stores."""
    if "content" not in table.column_names:
        return None
    kept, folded = (
        b"".join(table.column(name).to_pylist()).hex() if name in table.column_names else ""
        for name in ("content", "folded")
    )
    return RowContents(kept=kept, rejected=json.loads(table.schema.metadata[b"rejected"]), folded=folded)


def read_shard(directory: Path, entry: ShardEntry, rebuilt: str | None = None) -> ShardRows:
    """Read a shard that the manifest states; `StoreError` names a file that is missing, damaged or another one.

    Args:
        rebuilt: the hash of other content that counts too.
    """
    path = directory / entry.file
    shard = load_shard(path).rows
    if shard.sha256() not in (entry.sha256, rebuilt) or (entry.contents and shard.contents_sha256() != entry.contents):
        raise StoreError(f"{path}: its content is not what the manifest states; {HINT}")
    return shard


@dataclass(frozen=True, slots=True)
class ShardKeys:
    """The keys of the rows that a shard holds, and of those that it rejected."""

    row_ids: list[str]
    rejected: list[str]


def read_keys(path: Path) -> ShardKeys:
    """The keys of a shard; of a local file only their column is read. `StoreError` names a bad file."""
    source = pa.BufferReader(shard_content(path)) if is_remote(path) else path
    try:
        with pq.ParquetFile(source) as file:
            row_ids = file.read(["row_id"]).column("row_id").to_pylist()
            return ShardKeys(row_ids, sorted(json.loads(file.schema_arrow.metadata[b"rejects"])))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        if _is_of_disk(error):
            raise
        raise StoreError(f"{path}: no readable shard ({type(error).__name__}: {error}); {HINT}") from error


def shard_content(path: Path) -> bytes:
    """Read a file. A missing file counts as damage; a disk or a store that does not answer does not."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no readable shard ({error}); {HINT}") from error


def _is_of_disk(error: Exception) -> bool:
    """Whether the disk did not answer: errors about content have no number, and a missing file counts as damage."""
    return isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError)


def _summary(shard: ShardRows) -> ShardSummary:
    return ShardSummary(
        rows=len(shard.row_ids),
        dimensions=shard.embeddings_BD.shape[1],
        sha256=shard.sha256(),
        contents=shard.contents_sha256(),
    )


def _stated(summary: ShardSummary, recipe: str, compute: str) -> str:
    contents = [summary.contents] if summary.contents else []
    return sha256("\0".join((summary.sha256, recipe, compute, *contents)).encode()).hexdigest()


def summary_hash(metadata: Mapping[str, str]) -> str:
    """Hash of all that is read of a footer; `KeyError` where one of these fields is missing."""
    fields = [metadata[name] for name in ("recipe", "compute", "rejects", "summary")]
    return sha256(json.dumps(fields).encode()).hexdigest()


def rejects_bytes(rejects: Iterable[tuple[str, str, str]]) -> bytes:
    """`rejects.parquet`: (row_id, split, reason) of every row that could not be decoded."""
    rows = list(rejects)
    columns = {
        name: pa.array([row[place] for row in rows], pa.string())
        for place, name in enumerate(("row_id", "split", "reason"))
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())

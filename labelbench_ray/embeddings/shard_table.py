"""The entries of all shards of a manifest as columns, and the side file that holds them.

    <store>/<key>/manifest.arrow    beside a manifest.json of many shards; of a remote store, in the machine's cache

manifest.json is the truth. The side file states the same and is read in a tenth of the time: a SHA-256 over the one of
manifest.json and the rest of the file, and then an Arrow stream whose metadata has all other fields of the manifest. A
side file that is missing, damaged or of another manifest.json is made again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, overload

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from labelbench_ray.embeddings.shards import ShardEntry
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.remote import on_this_machine

FILE: Final = "manifest.arrow"
MANY_SHARDS: Final = 2000
"""A manifest of fewer shards is parsed in 0.02 CPU s and has no side file."""
SCHEMA: Final = pa.schema(
    [
        ("split", pa.dictionary(pa.int32(), pa.string())),
        ("number", pa.int64()),
        ("rows", pa.int64()),
        ("sha256", pa.string()),
        ("contents", pa.string()),
    ]
)
_FIELDS: Final = b"fields"
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class ShardTable(Sequence[ShardEntry]):
    """The entries of shards, each made when it is asked for; pydantic reads and writes it as a list of entries."""

    columns: Any
    """A pyarrow table of the schema `SCHEMA`, in one chunk."""

    @classmethod
    def of(cls, entries: Iterable[ShardEntry]) -> "ShardTable":
        """The columns of these entries, in their order."""
        made = tuple(entries)
        arrays = [pa.array([getattr(entry, field.name) for entry in made], field.type) for field in SCHEMA]
        return cls(pa.table(arrays, schema=SCHEMA))

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @overload
    def __getitem__(self, place: int) -> ShardEntry: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ShardEntry, ...]: ...

    def __getitem__(self, place: int | slice) -> ShardEntry | tuple[ShardEntry, ...]:
        places = range(len(self))[place]
        if isinstance(places, int):
            return next(_entries(self.columns.slice(places, 1)))
        return tuple(_entries(self.columns.take(pa.array(places, pa.int64()))))

    def __iter__(self) -> Iterator[ShardEntry]:
        return _entries(self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShardTable) and bool(self.columns.equals(other.columns))

    def __hash__(self) -> int:
        return hash((len(self), self.num_rows))

    def split(self, split: str) -> "ShardTable":
        """The shards of one split."""
        return ShardTable(self.columns.filter(pc.equal(self.columns["split"], split)).combine_chunks())

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in order of appearance."""
        return tuple(self.columns["split"].unique().to_pylist())

    @property
    def hashes(self) -> tuple[list[str], list[str]]:
        """The split and the content hash of every shard."""
        return self.columns["split"].to_pylist(), self.columns["sha256"].to_pylist()

    @property
    def num_rows(self) -> int:
        """Rows of all shards."""
        return pc.sum(self.columns["rows"]).as_py() or 0

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        entries = handler.generate_schema(tuple[ShardEntry, ...])
        return core_schema.no_info_wrap_validator_function(
            lambda given, parse: given if isinstance(given, cls) else cls.of(parse(given)),
            entries,
            serialization=core_schema.plain_serializer_function_ser_schema(tuple, return_schema=entries),
        )


def write_side_file(directory: Path, manifest: bytes, fields: str, shards: ShardTable) -> None:
    """Write the side file of a manifest with many shards; without room or permission there is none.

    Args:
        manifest: what manifest.json holds.
        fields: all fields but the shards, as JSON.
    """
    if len(shards) < MANY_SHARDS:
        return
    sink = pa.BufferOutputStream()
    table = shards.columns.replace_schema_metadata({_FIELDS: fields.encode()})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    payload = bytes(sink.getvalue())
    with suppress(OSError):
        folder = on_this_machine(directory)
        folder.mkdir(parents=True, exist_ok=True)
        publish(folder / FILE, _tied(manifest, payload) + payload)


def read_side_file(directory: Path, manifest: bytes) -> tuple[bytes, ShardTable] | None:
    """The fields and shards that the side file states; None where it is missing, damaged or of another manifest."""
    try:
        data = memoryview((on_this_machine(directory) / FILE).read_bytes())
    except OSError:
        return None
    stated, payload = data[:_HASH_BYTES], data[_HASH_BYTES:]
    if stated != _tied(manifest, payload):
        return None
    table = pa.ipc.open_stream(pa.py_buffer(payload)).read_all()
    if not table.schema.equals(SCHEMA):  # of another version
        return None
    return table.schema.metadata[_FIELDS], ShardTable(table.replace_schema_metadata().combine_chunks())


def _tied(manifest: bytes, payload: bytes | memoryview) -> bytes:
    hashed = sha256(sha256(manifest).digest())
    hashed.update(payload)
    return hashed.digest()


def _entries(columns: Any) -> Iterator[ShardEntry]:  # noqa: ANN401  pyarrow has no types
    for batch in columns.to_batches(max_chunksize=MANY_SHARDS):
        for row in batch.to_pylist():
            yield ShardEntry(**row)

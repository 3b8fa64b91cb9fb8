"""The content of a data set by row: a key, a label and a hash of the payload, so that changes are detected.

A shard states it for its rows. Payloads are hashed where they are decoded, so no byte is read twice.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b, sha256
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.datasets import Payload, Records
from labelbench_ray.embeddings.label_columns import LabelValue, label_column, label_values
from labelbench_ray.plugins import Frozen

HASH_BYTES: Final = 16
SCHEMA: Final = pa.schema(
    [
        ("row_id", pa.large_string()),
        ("label", pa.int64()),
        ("content", pa.binary(HASH_BYTES)),
        ("folded", pa.binary(HASH_BYTES)),
    ]
)
"""A table of rows with one label each; unknown values are null, and so is `folded` of images and of rejected rows."""


class RowContents(Frozen):
    """The content of a shard's rows in the data set when they were read."""

    kept: str
    """The hashes of the rows that were embedded, in their order: 32 hexadecimal digits each."""
    rejected: dict[str, tuple[LabelValue, str]]
    """Label and hash of each row that was rejected."""
    folded: str = ""
    """For texts, the hashes of the embedded rows without case and spacing; "" for images."""

    def hashes(self) -> list[bytes]:
        """Hashes of the embedded rows."""
        return _cut(self.kept)

    def folded_hashes(self) -> list[bytes]:
        """Hashes of the embedded rows without case and spacing; none for images."""
        return _cut(self.folded)

    def sha256(self, row_ids: Sequence[str]) -> str:
        """Hash of all fields and the keys of the embedded rows."""
        hashed = sha256("\0".join(row_ids).encode(errors="surrogatepass"))
        hashed.update(f"{self.kept} {self.folded}".encode())
        hashed.update(repr(sorted(self.rejected.items())).encode())
        return hashed.hexdigest()


def _cut(digits: str) -> list[bytes]:
    data = bytes.fromhex(digits)
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def payload_hash(payload: Payload) -> bytes:
    """A hash of 16 bytes."""
    data = payload.encode(errors="surrogatepass") if isinstance(payload, str) else payload
    return blake2b(data, digest_size=HASH_BYTES).digest()


def folded_hash(payload: Payload) -> bytes | None:
    """A hash that texts share if they differ in case and spacing only; None for images."""
    return payload_hash(" ".join(payload.split()).casefold()) if isinstance(payload, str) else None


def row_contents(records: Records, kept: Sequence[int], rejects: Mapping[str, str]) -> RowContents:
    """The content of these rows; `kept`: the places of the rows that are embedded, in their order."""
    payloads, labels = [records.payloads[place] for place in kept], label_values(records.labels_B)
    return RowContents(
        kept="".join(payload_hash(payload).hex() for payload in payloads),
        rejected={
            row_id: (labels[place], payload_hash(records.payloads[place]).hex())
            for place, row_id in enumerate(records.row_ids)
            if row_id in rejects
        },
        folded="".join(folded.hex() for folded in map(folded_hash, payloads) if folded),
    )


def contents_table(row_ids: Any, labels: Any, hashes: Any, folded: Any) -> Any:  # noqa: ANN401  pyarrow has no types
    """Rows as a table, given the column of their labels; None stands for an unknown value."""
    schema = schema_of(labels.type)
    columns = zip((row_ids, labels, hashes, folded), schema, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in columns], schema=schema)


def schema_of(label: Any) -> Any:  # noqa: ANN401
    """`SCHEMA` with labels of this type."""
    return SCHEMA.set(SCHEMA.get_field_index("label"), pa.field("label", label))


def hashed_table(records: Records) -> Any:  # noqa: ANN401
    """Rows as a table, with their payloads hashed."""
    hashes = [[make(each) for each in records.payloads] for make in (payload_hash, folded_hash)]
    return contents_table(records.row_ids, label_column(records.labels_B), *hashes)

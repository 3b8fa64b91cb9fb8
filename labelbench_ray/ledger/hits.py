"""Which rows of the evaluation splits a round's model has right: a bit a row, in a file beside the round.

    rounds/000.hits: safetensors; for each split ceil(N / 8) bytes (numpy.packbits), and as its metadata the format, the
                     trial, the round or number of labels, the number of rows of each split, and a hash of that
                     and of the bytes of all splits, by name (the first files have none)

Only metrics that are the mean of such bits have them: accuracy. Older rounds have none; nothing depends on the file
but intervals that include the noise of the rows. The mean of the bits must be the accuracy that the record states.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from labelbench_ray.errors import DamagedError

FORMAT: Final = "1"
SUFFIX: Final = ".hits"
METRIC: Final = "Accuracy"
"""The mean of a split's hits, after the split's title."""
HOW: Final = "delete it: intervals are then over seeds only"
HASH: Final = "hash"
_LENGTH: Final = 8
"""Bytes of a safetensors file that state the length of its header."""

Hits = Mapping[str, NDArray[np.bool_]]
"""(N,) by the split's title: "Test", "Validation"."""
NO_HITS: Final[Hits] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Bits:
    """Hits of `rows` rows, the last axis packed to ceil(rows / 8) bytes."""

    packed: NDArray[np.uint8]
    rows: int

    def unpacked(self, place: int | None = None) -> NDArray[np.uint8]:
        """0 or 1, the last axis holds the rows; of one place on the first axis, or of all."""
        return np.unpackbits(self.packed if place is None else self.packed[place], axis=-1, count=self.rows)


def hits_file(record: Path, fingerprint: str, number: int, hits: Hits) -> dict[Path, bytes]:
    """The file beside the record of round `number`, or of that number of labels; nothing without hits."""
    if not hits:
        return {}
    rows = {name: len(hits_N) for name, hits_N in hits.items()}
    packed = {name: np.packbits(hits_N) for name, hits_N in hits.items()}
    stated = {"format": FORMAT, "fingerprint": fingerprint, "number": str(number), "rows": json.dumps(rows)}
    return {record.with_suffix(SUFFIX): _ordered(save(packed, stated | {HASH: _hash(stated["rows"], packed)}))}


def _ordered(data: bytes) -> bytes:
    """The same file, the keys of its header by name: safetensors writes metadata in any order."""
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    header = json.dumps(json.loads(data[_LENGTH:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _LENGTH)
    return len(header).to_bytes(_LENGTH, "little") + header + data[start:]


def _hash(rows: str, packed: Mapping[str, NDArray[np.uint8]]) -> str:
    return sha256(
        b"".join([rows.encode("utf-8", "surrogatepass"), *(packed[name].tobytes() for name in sorted(packed))])
    ).hexdigest()[:32]


def read_hits(record: Path, fingerprint: str, number: int, metrics: Mapping[str, float]) -> dict[str, Bits]:
    """The hits beside a record's file, by split; empty where it has none.

    Raises:
        DamagedError: the file is cut short, altered, of another format or round, or its mean is not the accuracy.
    """
    path = record.with_suffix(SUFFIX)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        stated, found = _parsed(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DamagedError(f"{path}: is not a file of hits ({error}); {HOW}") from error
    expected = {"format": FORMAT, "fingerprint": fingerprint, "number": str(number)}
    for name, value in expected.items():
        if stated.get(name) != value:
            raise DamagedError(f"{path}: {name} is {stated.get(name)!r}, its record's is {value!r}; {HOW}")
    here = _hash(stated["rows"], {split: bits.packed for split, bits in found.items()})
    if not {*stated} <= {*expected, "rows", HASH} or stated.get(HASH, here) != here:
        raise DamagedError(f"{path}: does not have the hash that it states; {HOW}")
    for split, bits in found.items():
        _check(path, split, bits, metrics)
    return found


def _parsed(data: bytes) -> tuple[dict[str, Any], dict[str, Bits]]:
    tensors: dict[str, NDArray[np.uint8]] = load(data)
    length = int.from_bytes(data[:_LENGTH], "little")
    stated = json.loads(data[_LENGTH : _LENGTH + length])["__metadata__"]
    rows = json.loads(stated["rows"])
    return stated, {name: Bits(packed, int(rows[name])) for name, packed in tensors.items()}


def _check(path: Path, split: str, bits: Bits, metrics: Mapping[str, float]) -> None:
    if bits.rows < 1 or bits.packed.dtype != np.uint8 or bits.packed.shape != ((bits.rows + 7) // 8,):
        raise DamagedError(f"{path}: {bits.packed.nbytes} bytes for {bits.rows} rows of {split}; {HOW}")
    metric = f"{split} {METRIC}"
    right, stated = int(bits.unpacked().sum()), metrics.get(metric)
    if stated is None or right != round(stated * bits.rows):
        raise DamagedError(f"{path}: {right} of {bits.rows} rows are right, {metric} is {stated}; {HOW}")

"""Rows of external files that are in two splits: rows with equal embeddings, by a hash of 128 bits of their bytes.

A few numbers of each row are compared first, so that few rows are read as a whole. None of those is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.embeddings.label_columns import LabelValue, label_values
from labelbench_ray.embeddings.overlaps import Overlap, Overlaps
from labelbench_ray.pool.gathered import GatheredRows
from labelbench_ray.types import Labels

SLOT_BITS: Final = 20
"""Keys are looked up in a table of so many bits first: most rows of a pool have the key of no held-out row."""
ODD: Final = np.uint64(0x9E3779B97F4A7C15)
HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class SplitRows:
    """The rows of a split: the mapped array (M, D), and (N,) numbers, labels and keys."""

    array_MD: NDArray[np.float16]
    rows_N: NDArray[np.int64]
    labels_N: Labels
    keys_N: NDArray[np.uint64]
    """Of rows that are equal, equal."""

    def __len__(self) -> int:
        return len(self.rows_N)

    @property
    def gathered(self) -> NDArray[np.float16]:
        """The rows, read when they are used."""
        return cast("NDArray[np.float16]", GatheredRows(self.array_MD, self.rows_N))

    def near(self, keys_B: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Places of the rows that have one of these keys."""
        is_used = np.zeros(1 << SLOT_BITS, np.bool_)
        is_used[_slots(keys_B)] = True
        places = np.flatnonzero(is_used[_slots(self.keys_N)])
        return places[np.isin(self.keys_N[places], keys_B)]

    def hashed(self, places: NDArray[np.intp]) -> Iterator[tuple[bytes, LabelValue]]:
        """The hash and the label of the rows at these places."""
        for row, label in zip(self.rows_N[places], label_values(self.labels_N[places]), strict=True):
            yield blake2b(self.array_MD[row].tobytes(), digest_size=HASH_BYTES).digest(), label


def count_equal(splits: Mapping[str, SplitRows]) -> Overlaps:
    """How many rows of each evaluation split are in the pool too, and of test in validation."""
    pairs = [(name, "pool") for name in splits if name != "pool"]
    pairs += [("test", "validation")] if {"test", "validation"} <= splits.keys() else []
    found = []
    for name, other in pairs:
        near_other = splits[other].near(splits[name].keys_N)
        near = [*splits[name].hashed(splits[name].near(splits[other].keys_N[near_other]))]
        there: dict[bytes, set[LabelValue]] = {data: set() for data, _ in near}
        for data, label in splits[other].hashed(near_other):
            if data in there:
                there[data].add(label)
        met = [(label, there[data]) for data, label in near if there[data]]
        relabeled = sum(bool(others - {label, -1}) for label, others in met)
        found.append(Overlap(split=name, other=other, rows=len(met), relabeled=relabeled))
    return Overlaps(found=tuple(each for each in found if each.rows))


def _slots(keys_N: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N,) of each key a number below 2 ** `SLOT_BITS`, spread by multiplication."""
    slots_N: NDArray[np.uint64] = keys_N * ODD >> np.uint64(64 - SLOT_BITS)
    return slots_N

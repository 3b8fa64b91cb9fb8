"""Rows of external files that are in two splits: rows with equal embeddings, byte for byte.

A few numbers of each row are compared first, so that few rows are read as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.embeddings.label_columns import LabelValue, label_values
from labelbench_ray.embeddings.overlaps import Overlap, Overlaps
from labelbench_ray.types import Labels

COMPARED: Final = 4
"""Numbers of each row, which are 8 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class SplitRows:
    """The rows of a split: the mapped array (M, D), and (N,) numbers and labels."""

    array_MD: NDArray[np.float16]
    rows_N: NDArray[np.int64]
    labels_N: Labels

    def keys(self) -> NDArray[np.uint64]:
        """(N,) numbers from the middle of each row, as one integer."""
        width = self.array_MD.shape[1]
        first = max(0, width // 2 - COMPARED // 2)
        few_NC = np.zeros((len(self.rows_N), COMPARED), np.float16)
        few_NC[:, : min(COMPARED, width - first)] = self.array_MD[self.rows_N, first : first + COMPARED]
        return few_NC.view(np.uint64)[:, 0]

    def read(self, places: NDArray[np.intp]) -> list[tuple[bytes, LabelValue]]:
        """The bytes and the label of the rows at these places."""
        labels = label_values(self.labels_N[places])
        return [(self.array_MD[row].tobytes(), label) for row, label in zip(self.rows_N[places], labels, strict=True)]


def count_equal(splits: Mapping[str, SplitRows]) -> Overlaps:
    """How many rows of each evaluation split are in the pool too, and of test in validation."""
    keys = {name: split.keys() for name, split in splits.items()}
    pairs = [(name, "pool") for name in splits if name != "pool"]
    pairs += [("test", "validation")] if {"test", "validation"} <= splits.keys() else []
    found = []
    for name, other in pairs:
        there: dict[bytes, set[LabelValue]] = {}
        for data, label in splits[other].read(np.flatnonzero(np.isin(keys[other], keys[name]))):
            there.setdefault(data, set()).add(label)
        near = splits[name].read(np.flatnonzero(np.isin(keys[name], keys[other])) if there else np.empty(0, np.intp))
        met = [(label, there[data]) for data, label in near if data in there]
        relabeled = sum(bool(others - {label, -1}) for label, others in met)
        found.append(Overlap(split=name, other=other, rows=len(met), relabeled=relabeled))
    return Overlaps(found=tuple(each for each in found if each.rows))

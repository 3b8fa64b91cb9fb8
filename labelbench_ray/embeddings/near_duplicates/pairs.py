"""Pairs of rows with nearly the same direction, found without computing every cosine.

A cosine is at most the product of the leading `LEADING` coordinates of both unit vectors plus the product of what is
left of their lengths (Cauchy and Schwarz). One matrix product of that many coordinates and one more gives the bound of
all pairs of two blocks; only pairs whose bound reaches the threshold are computed in full. The coordinates are those of
a sample's largest second moments, so that little is left of most rows; any basis gives the same pairs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LEADING: Final = 64
BLOCK: Final = 2048
"""Rows of a block: two of them make 16 MB of bounds."""
VERIFIED: Final = 20_000
"""Candidates that are computed in full at a time, so at most twice as many rows are in memory."""
ROUNDING: Final = 1e-4
"""Bounds and cosines are computed in float32."""

Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]
ReadRows = Callable[[NDArray[np.int64]], NDArray[Any]]
"""(R,) ascending row numbers -> (R, D) their embeddings."""


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Rows as unit vectors, as far as the bound needs them."""

    leading_NE: Floats
    """(N, E + 1): leading coordinates, and the length of the rest."""

    def __len__(self) -> int:
        return len(self.leading_NE)


def basis_of(sample_SD: NDArray[Any]) -> Floats:
    """(D, E) orthonormal directions of the sample's largest second moments."""
    unit_SD = _unit(sample_SD)
    _, vectors_DD = np.linalg.eigh(unit_SD.T.astype(np.float64) @ unit_SD)
    leading_DE: Floats = vectors_DD[:, ::-1][:, :LEADING].astype(np.float32)
    return leading_DE


def directions(blocks: Iterable[NDArray[Any]], basis_DE: Floats) -> Directions:
    """The rows of these blocks, in their order."""
    parts = [np.empty((0, basis_DE.shape[1] + 1), np.float32)]
    for block_BD in blocks:
        unit_BD = _unit(block_BD)
        leading_BE = unit_BD @ basis_DE
        rest_B = np.sqrt(np.maximum(0, np.square(unit_BD).sum(axis=1) - np.square(leading_BE).sum(axis=1)))
        parts.append(np.column_stack([leading_BE, rest_B]).astype(np.float32))
    return Directions(np.concatenate(parts))


def near_pairs(
    first: Directions, second: Directions | None, threshold: float, read_first: ReadRows, read_second: ReadRows
) -> tuple[Pairs, Floats]:
    """Every pair of rows whose cosine is at least the threshold, and the cosines.

    Returns:
        (P, 2) row numbers, sorted, and (P,) cosines. Without `second`, pairs within the first, the smaller number
        first.
    """
    found, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for candidates_C2 in _candidates(first, second, threshold):
        cosines_C = _cosines(candidates_C2, read_first, read_second)
        near_C = cosines_C >= threshold
        found.append(candidates_C2[near_C])
        cosines.append(cosines_C[near_C])
    pairs_P2, cosines_P = np.concatenate(found), np.concatenate(cosines)
    order_P = np.lexsort((pairs_P2[:, 1], pairs_P2[:, 0]))
    return pairs_P2[order_P], cosines_P[order_P]


def _candidates(first: Directions, second: Directions | None, threshold: float) -> Iterator[Pairs]:
    """Pairs whose bound reaches the threshold, at most `VERIFIED` at a time."""
    other = first if second is None else second
    for start in range(0, len(first), BLOCK):
        for place in range(start if second is None else 0, len(other), BLOCK):
            bounds_BB = first.leading_NE[start : start + BLOCK] @ other.leading_NE[place : place + BLOCK].T
            rows_C, columns_C = np.nonzero(bounds_BB >= threshold - ROUNDING)
            pairs_C2 = np.column_stack([rows_C + start, columns_C + place])
            if second is None:
                pairs_C2 = pairs_C2[pairs_C2[:, 0] < pairs_C2[:, 1]]
            yield from (pairs_C2[cut : cut + VERIFIED] for cut in range(0, len(pairs_C2), VERIFIED))


def _cosines(pairs_C2: Pairs, read_first: ReadRows, read_second: ReadRows) -> Floats:
    sides = []
    for column_C, read in zip(pairs_C2.T, (read_first, read_second), strict=True):
        rows_R, places_C = np.unique(column_C, return_inverse=True)
        sides.append((_unit(read(rows_R)), places_C))
    (first_RD, first_C), (second_RD, second_C) = sides
    parts = [
        np.einsum("cd,cd->c", first_RD[first_C[cut : cut + BLOCK]], second_RD[second_C[cut : cut + BLOCK]])
        for cut in range(0, len(pairs_C2), BLOCK)
    ]
    cosines_C: Floats = np.concatenate([np.empty(0, np.float32), *parts])
    return cosines_C


def _unit(rows_BD: NDArray[Any]) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    floats_BD = np.asarray(rows_BD, np.float32)
    lengths_B = np.linalg.norm(floats_BD, axis=1, keepdims=True)
    unit_BD: Floats = (floats_BD / np.where(lengths_B > 0, lengths_B, 1)).astype(np.float32, copy=False)
    return unit_BD

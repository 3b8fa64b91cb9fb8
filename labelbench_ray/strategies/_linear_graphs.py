"""GALAXY's graphs: the rows of a pool in a class's order, some of them with an answer, and the next row to ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._class_orders import loss_columns, placed
from labelbench_ray.strategies._ranking import tie_hash
from labelbench_ray.types import Floats, Ids, PoolView

Ranks = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """The rank of every placed row in each class's order, K * R * 4 bytes; ties by the keyed hash."""

    ids_R: Ids
    parts: tuple[Ranks, ...]
    """(G, rows of the shard) for each shard."""

    @classmethod
    def of(cls, view: PoolView, classes_G: Ids, key: int) -> Self:
        """Rank the pool in these classes' orders, in the memory of the losses where it may be written."""
        ids_R = np.concatenate(view.map(placed))
        columns = view.map(partial(loss_columns, classes_G=classes_G))
        for place, column_GR in enumerate(columns):
            if not column_GR.flags.writeable:  # what comes from Ray's object store is not
                columns[place] = column_GR.copy()
        ordered_R = np.argsort(tie_hash(key, ids_R))
        for graph in range(len(classes_G)):
            _rank_in_place([column_GR[graph] for column_GR in columns], ordered_R)
        return cls(ids_R, tuple(column_GR.view(np.int32) for column_GR in columns))

    def ranks(self, graph: int) -> Ranks:
        """(R,) ranks of the rows in this graph, to be read."""
        if len(self.parts) == 1:
            ranks_R: Ranks = self.parts[0][graph]
            return ranks_R
        return np.concatenate([part[graph] for part in self.parts])


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A class's order of `size` rows: the ascending ranks of those with an answer, and which are of the class."""

    size: int
    ranks_A: Ids
    positive_A: NDArray[np.bool_]

    @classmethod
    def of(cls, size: int, ranks_A: Ranks | Ids, positive_A: NDArray[np.bool_]) -> Self:
        """From ranks in any order."""
        # Sorted as one word each, rank above sign: cheaper than a sort of places.
        words_A = np.sort(2 * ranks_A.astype(np.int64) + positive_A)
        return cls(size, words_A >> 1, (words_A & 1).astype(np.bool_))

    def with_pending(self, ranks_P: Ranks) -> "Graph":
        """The same with rows that await an answer: until then each has its nearest neighbor's, left before right."""
        if not len(ranks_P):
            return self
        positive_P = np.zeros(len(ranks_P), np.bool_)
        if len(self.ranks_A):
            right_P = np.searchsorted(self.ranks_A, ranks_P)
            left_P = np.maximum(right_P - 1, 0)
            right_P = np.minimum(right_P, len(self.ranks_A) - 1)
            nearer_P = np.abs(self.ranks_A[right_P] - ranks_P) < np.abs(ranks_P - self.ranks_A[left_P])
            positive_P = self.positive_A[np.where(nearer_P, right_P, left_P)]
        return Graph.of(
            self.size, np.concatenate([self.ranks_A, ranks_P]), np.concatenate([self.positive_A, positive_P])
        )

    @property
    def has_opposites(self) -> bool:
        """Some rows are known to be of the class, and some not to be."""
        return bool(self.positive_A.any()) and not bool(self.positive_A.all())

    def likeliest_opposite(self) -> int:
        """The first rank without an answer, where a row of the class is likeliest; the last, if none else is known."""
        below_A = self._open_below()
        if len(self.positive_A) and self.positive_A.all():
            first = int(np.searchsorted(below_A, self.size - len(below_A)))
            return self.size - 1 - (len(below_A) - first)
        return int(np.searchsorted(below_A, 0, side="right"))

    def midpoint(self) -> int | None:
        """Of the shortest stretch between opposite answers, the leftmost of equals; None when none is left."""
        cuts_C = self._cuts()
        lengths_C = self.ranks_A[cuts_C + 1] - self.ranks_A[cuts_C] - 1
        if not lengths_C.any():
            return None
        cut = cuts_C[np.where(lengths_C > 0, lengths_C, self.size).argmin()]
        return int(self.ranks_A[cut] + self.ranks_A[cut + 1]) // 2

    def beside_cut(self, turn: int) -> int:
        """The open row nearest to a cut whose two sides touch, on its left in even turns and on its right in odd ones,
        the leftmost of equals; on the other side where that one has no open row.
        """
        cuts_C = self._cuts()
        sides = [self._left_of(cuts_C), self._right_of(cuts_C + 1)]
        return next(rank for rank in (sides[turn % 2], sides[1 - turn % 2]) if rank is not None)

    def _cuts(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.positive_A[1:] != self.positive_A[:-1])

    def _left_of(self, places_C: NDArray[np.intp]) -> int | None:
        below_A = self._open_below()
        # Rows with an answer that touch one another have as many open rows below them.
        nearest_C = self.ranks_A[np.searchsorted(below_A, below_A[places_C])] - 1
        return _nearest(nearest_C, self.ranks_A[places_C] - nearest_C, nearest_C >= 0)

    def _right_of(self, places_C: NDArray[np.intp]) -> int | None:
        below_A = self._open_below()
        nearest_C = self.ranks_A[np.searchsorted(below_A, below_A[places_C], side="right") - 1] + 1
        return _nearest(nearest_C, nearest_C - self.ranks_A[places_C], nearest_C < self.size)

    def _open_below(self) -> Ids:
        return self.ranks_A - np.arange(len(self.ranks_A))


def _nearest(ranks_C: Ids, distances_C: Ids, exist_C: NDArray[np.bool_]) -> int | None:
    if not exist_C.any():
        return None
    return int(ranks_C[exist_C][distances_C[exist_C].argmin()])


def _rank_in_place(parts: Sequence[Floats], ordered_R: NDArray[np.intp]) -> None:
    """Overwrite a class's losses by their int32 ranks; rows that tie are ranked as they stand in `ordered_R`."""
    # A loss is not negative, so its bits order as it does; with the row's place below them one fast sort ranks all.
    words_R = np.concatenate(parts)[ordered_R].view(np.uint32).astype(np.uint64) << np.uint64(32)
    words_R |= np.arange(len(words_R), dtype=np.uint64)
    words_R.sort()
    ranks_R = np.empty(len(words_R), np.int32)
    ranks_R[ordered_R[words_R & np.uint64(0xFFFFFFFF)]] = np.arange(len(words_R), dtype=np.int32)
    start = 0
    for part_S in parts:
        part_S.view(np.int32)[:] = ranks_R[start : start + len(part_S)]
        start += len(part_S)

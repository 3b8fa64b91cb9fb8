"""The label budget of a round: `ask` is the only way to a label."""

from collections.abc import Callable

import numpy as np

from labelbench_ray.errors import BudgetError
from labelbench_ray.types import Ids, Labels


class Purchases:
    """Passes questions on to an oracle, each row once; a row is paid for once, however often it is asked."""

    def __init__(
        self, answer: Callable[[Ids], Labels], num_rows: int, budget: int, labeled_L: Ids, labels_L: Labels
    ) -> None:
        """`answer`: labels of distinct pool ids; `num_rows`: of the pool; the last two: what earlier rounds bought."""
        self._answer = answer
        self._num_rows = num_rows
        self._labels = dict(zip(labeled_L.tolist(), labels_L, strict=True))
        self._limit = len(self._labels) + budget
        self._no_labels = labels_L[:0]

    def ask(self, ids: Ids) -> Labels:
        """(B, ...) answers for (B,) int64 pool ids.

        Raises:
            BudgetError: new rows beyond the budget; none of them is answered or paid for.
            ValueError: an id that is not in the pool.
        """
        if len(ids) and (ids.min() < 0 or ids.max() >= self._num_rows):
            raise ValueError(f"ids: {ids.min()} .. {ids.max()} must lie in 0 .. {self._num_rows - 1}")
        asked = ids.tolist()
        new = [row for row in dict.fromkeys(asked) if row not in self._labels]
        if (wanted := len(self._labels) + len(new)) > self._limit:
            raise BudgetError(
                f"{wanted} labels asked for in all, {self._limit} are paid for; a strategy may ask only "
                "for rows that it will choose, and choose no more than its budget"
            )
        if new:
            self._labels |= dict(zip(new, self._answer(np.array(new, np.int64)), strict=True))
        return np.stack([self._labels[row] for row in asked]) if asked else self._no_labels

    @property
    def bought(self) -> frozenset[int]:
        """The rows paid for so far."""
        return frozenset(self._labels)

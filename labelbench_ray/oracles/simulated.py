"""The oracle: hidden labels, the annotators' noise and the label budget. `ask` is the only way to a label."""

from labelbench_ray.errors import BudgetError
from labelbench_ray.types import Ids


class Oracle:
    """Answers for rows of the pool and counts what it sold; a row is paid for once, however often it is asked."""

    def __init__(self, answers_N: Ids, budget: int, bought: Ids) -> None:
        """`answers_N`: what annotators say of each row, noise included; `bought`: rows paid for in earlier rounds."""
        self._answers_N = answers_N
        self._bought = set(bought.tolist())
        self._limit = len(self._bought) + budget

    def ask(self, ids: Ids) -> Ids:
        """(B,) int64 answers for (B,) int64 pool ids.

        Raises:
            BudgetError: new rows beyond the budget; none of them is answered or paid for.
            ValueError: an id that is not in the pool.
        """
        if len(ids) and (ids.min() < 0 or ids.max() >= len(self._answers_N)):
            raise ValueError(f"ids: {ids.min()} .. {ids.max()} must lie in 0 .. {len(self._answers_N) - 1}")
        after = self._bought.union(ids.tolist())
        if len(after) > self._limit:
            raise BudgetError(
                f"{len(after)} labels asked for in all, {self._limit} are paid for; a strategy may ask only "
                "for rows that it will choose, and choose no more than its budget"
            )
        self._bought = after
        return self._answers_N[ids]

    @property
    def bought(self) -> frozenset[int]:
        """The rows paid for so far."""
        return frozenset(self._bought)

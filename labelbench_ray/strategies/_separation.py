"""Where a class's order is best cut in two, by the answers so far: DIRECT's agnostic learning of a threshold.

A threshold s assigns the rows of loss <= s to the class, and the others to the rest. Its errors
are constant between the losses of answered rows.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._class_orders import midway
from labelbench_ray.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """The answered rows of a class's order: their ascending losses, and which are of the class."""

    losses_A: Floats
    positive_A: NDArray[np.bool_]

    @classmethod
    def of(cls, losses_A: Floats, positive_A: NDArray[np.bool_]) -> Self:
        """From rows in any order."""
        order_A = np.argsort(losses_A)
        return cls(losses_A[order_A], positive_A[order_A])

    def errors(self, thresholds_T: Floats) -> NDArray[np.int64]:
        """(T,) answered rows that each threshold gets wrong."""
        errors: NDArray[np.int64] = self._errors()[np.searchsorted(self.losses_A, thresholds_T, side="right")]
        return errors

    def uncertain(self) -> tuple[float, float]:
        """From the last positive before the first negative to the first negative after the last positive."""
        positives, negatives = self.losses_A[self.positive_A], self.losses_A[~self.positive_A]
        before = positives[: np.searchsorted(positives, negatives[0])] if len(negatives) else positives
        after = negatives[np.searchsorted(negatives, positives[-1], side="right") :] if len(positives) else negatives
        return (before[-1] if len(before) else -np.inf), (after[0] if len(after) else np.inf)

    def threshold(self) -> float:
        """The midpoint of the losses between which a threshold errs least; of several such stretches the middle one.

        One that has no answered row at its upper or lower end gives that end of the order.
        """
        errors = self._errors()
        # Rows of equal losses cannot be distinguished.
        errors[1:-1][self.losses_A[1:] == self.losses_A[:-1]] = len(errors)
        best = np.flatnonzero(errors == errors.min())
        cut = best[(len(best) - 1) // 2]
        if cut == 0:
            return -np.inf
        if cut == len(self.losses_A):
            return np.inf
        return midway(float(self.losses_A[cut - 1]), float(self.losses_A[cut]))

    def narrowed(self, losses_I: Floats, width: int) -> tuple[float, float]:
        """The ends of the stretch that holds `width` of these ascending losses and whose worse end errs least; of
        several the middle one.
        """
        errors_I = self.errors(losses_I)
        worse = np.maximum(errors_I[: len(errors_I) - width + 1], errors_I[width - 1 :])
        best = np.flatnonzero(worse == worse.min())
        start = best[(len(best) - 1) // 2]
        return float(losses_I[start]), float(losses_I[start + width - 1])

    def _errors(self) -> NDArray[np.int64]:
        """(A + 1,) errors when the first 0, 1, .. A rows are assigned to the class."""
        steps_A = np.where(self.positive_A, -1, 1)
        errors: NDArray[np.int64] = np.concatenate([[0], np.cumsum(steps_A)]) + self.positive_A.sum()
        return errors

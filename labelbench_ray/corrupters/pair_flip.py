"""Pair flips: annotators take a class for the next one."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.corrupters._transitions import Transitions


class PairFlip(Transitions):
    """A row of class y gets the answer y + 1 with probability `rate`, the last class the first one."""

    rate: Annotated[float, Field(ge=0, le=1)] = 0.2

    def matrix_of(self, classes: Sequence[str]) -> NDArray[np.float64]:
        same_KK = np.eye(len(classes))
        matrix_KK: NDArray[np.float64] = (1 - self.rate) * same_KK + self.rate * np.roll(same_KK, 1, axis=1)
        return matrix_KK

"""A strategy outside the package, as a user writes one: the largest Gini impurity."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy
from labelbench_ray.types import Block


class Impurity(RowStrategy):
    """The rows whose predicted classes are the most mixed."""

    def score(self, block: Block) -> NDArray[np.float64]:
        return 1 - np.square(block.probabilities_BK, dtype=np.float64).sum(axis=1)

"""Largest Shannon entropy of the predicted distribution (Shannon 1948)."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool import probabilities
from labelbench_ray.strategies import RowStrategy
from labelbench_ray.types import Block


class Entropy(RowStrategy):
    """The rows whose distribution over the classes is the flattest."""

    def score(self, block: Block) -> NDArray[np.float64]:
        return probabilities.entropy(block.probabilities_BK)

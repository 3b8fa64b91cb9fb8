"""Least confidence: 1 - max_c p_c (Lewis and Gale 1994)."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.probabilities import summarize
from labelbench_ray.strategies import RowStrategy
from labelbench_ray.types import Block


class Confidence(RowStrategy):
    """The rows whose likeliest class has the smallest probability."""

    def score(self, block: Block) -> NDArray[np.float64]:
        return summarize(block.probabilities_BK).others_B

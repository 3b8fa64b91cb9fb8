"""Smallest gap between the two likeliest classes (Scheffer et al. 2001)."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.probabilities import summarize
from labelbench_ray.strategies import RowStrategy
from labelbench_ray.types import Block


class Margin(RowStrategy):
    """The rows with the smallest p_(1) - p_(2)."""

    def score(self, block: Block) -> NDArray[np.float64]:
        # 1 - (p_(1) - p_(2)), written so that rows with p_(1) = 1.0 keep their order.
        summary = summarize(block.probabilities_BK)
        return summary.others_B + summary.second_B

"""Smallest gap between the two likeliest classes (Scheffer et al. 2001); of independent classes, between both answers.

There the gap is 2 |p_c - 1/2|, averaged over the classes, so that the rows are those of `confidence`.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class Margin(RowStrategy):
    """The rows with the smallest p_(1) - p_(2)."""

    wants: ClassVar[tuple[Want, ...]] = ("probabilities",)
    cost: ClassVar[str] = "N·K"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = "Scheffer et al., IDA 2001"
    on_device: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.distribution.small_margin(block.device_probabilities_BK)

"""Least confidence: 1 - max_c p_c (Lewis and Gale 1994); of independent classes, the mean of 1/2 - |p_c - 1/2|."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class Confidence(RowStrategy):
    """The rows whose likeliest class has the smallest probability."""

    wants: ClassVar[tuple[Want, ...]] = ("probabilities",)
    cost: ClassVar[str] = "N·K"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = "Lewis and Gale, SIGIR 1994"
    on_device: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.distribution.least_confidence(block.device_probabilities_BK)

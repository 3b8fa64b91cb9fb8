"""Largest Shannon entropy of the predicted distribution (Shannon 1948); of independent classes, the mean of theirs."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class Entropy(RowStrategy):
    """The rows whose distribution over the classes is the flattest."""

    wants: ClassVar[tuple[Want, ...]] = ("probabilities",)
    cost: ClassVar[str] = "N·K"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = "Shannon 1948; Settles, *Active Learning Literature Survey*, 2009"
    on_device: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.distribution.entropy(block.device_probabilities_BK)

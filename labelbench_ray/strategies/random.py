"""Uniformly random rows: all scores tie, so the keyed hash of the id decides."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class Random(RowStrategy):
    """Uniform without replacement, the same for any sharding; the baseline, and the usual first batch."""

    wants: ClassVar[tuple[Want, ...]] = ()
    cost: ClassVar[str] = "N"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = "the baseline"
    cold_start: ClassVar[bool] = True
    baseline: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression", "response")

    def score(self, block: Block) -> NDArray[np.float64]:
        return np.zeros(len(block.ids_B))

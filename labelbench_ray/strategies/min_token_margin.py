"""The smallest margin of any token that a language model would answer with."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class MinTokenMargin(RowStrategy):
    """The prompts whose greedy answer has the closest decision between its likeliest two tokens at any token."""

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    facts: ClassVar[tuple[str, ...]] = ("min_margin",)
    cost: ClassVar[str] = "N"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = "Bhatt et al. 2024, [2401.06692](https://arxiv.org/abs/2401.06692)"
    cold_start: ClassVar[bool] = True

    def score(self, block: Block) -> NDArray[np.float64]:
        return -block.facts["min_margin"]

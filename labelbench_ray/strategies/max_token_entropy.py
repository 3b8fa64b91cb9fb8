"""The largest uncertainty of any token that a language model would answer with."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class MaxTokenEntropy(RowStrategy):
    """The prompts whose greedy answer has the most uncertain token: by its entropy, or by its likeliest token."""

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    cost: ClassVar[str] = "N"
    guarantee: ClassVar[str] = "exact; the paper's abstract does not state what measures a token, so both are offered"
    source: ClassVar[str] = "Bhatt et al. 2024, [2401.06692](https://arxiv.org/abs/2401.06692)"
    cold_start: ClassVar[bool] = True
    token: Literal["entropy", "confidence"] = "entropy"
    """How uncertain a token is: its distribution's entropy, or 1 less the probability of the likeliest token."""

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return ("max_entropy",) if self.token == "entropy" else ("min_confidence",)

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.facts["max_entropy"] if self.token == "entropy" else 1 - block.facts["min_confidence"]

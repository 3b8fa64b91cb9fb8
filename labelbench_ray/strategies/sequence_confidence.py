"""The least likely answers, by the probability that a language model gives its own greedy answer."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class SequenceConfidence(RowStrategy):
    """The prompts whose greedy answer is the least likely: -sum_t log q_t(y_t), which grows with the answer's length.

    `normalize` divides by the number of its tokens.
    """

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    cost: ClassVar[str] = "N"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = "Bhatt et al. 2024, [2401.06692](https://arxiv.org/abs/2401.06692)"
    cold_start: ClassVar[bool] = True
    normalize: bool = False
    """The mean over the answer's tokens instead of their sum."""

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return ("neg_logprob", "num_new_tokens") if self.normalize else ("neg_logprob",)

    def score(self, block: Block) -> NDArray[np.float64]:
        sums_B = block.facts["neg_logprob"]
        return sums_B / block.facts["num_new_tokens"] if self.normalize else sums_B

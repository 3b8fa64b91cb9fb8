"""The largest mean entropy of the tokens that a language model would answer with."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class MeanTokenEntropy(RowStrategy):
    """The prompts whose greedy answer has the largest entropy a token, in the mean over its tokens."""

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    facts: ClassVar[tuple[str, ...]] = ("mean_entropy",)
    cost: ClassVar[str] = "N"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = (
        "Bhatt et al., *An Experimental Design Framework for Label-Efficient Supervised Finetuning of Large Language "
        "Models*, [2401.06692](https://arxiv.org/abs/2401.06692)"
    )
    cold_start: ClassVar[bool] = True

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.facts["mean_entropy"]

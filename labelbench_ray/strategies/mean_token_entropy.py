"""The largest mean entropy of the tokens that a language model would answer with."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from labelbench_ray.strategies import RowStrategy, Want
from labelbench_ray.types import Block


class MeanTokenEntropy(RowStrategy):
    """The prompts whose greedy answer has the largest entropy a token, in the mean over its tokens."""

    wants: ClassVar[tuple[Want, ...]] = ("facts",)
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "response")
    cost: ClassVar[str] = "N"
    guarantee: ClassVar[str] = "exact"
    source: ClassVar[str] = (
        "Bhatt et al., *An Experimental Design Framework for Label-Efficient Supervised Finetuning of Large Language "
        "Models*, [2401.06692](https://arxiv.org/abs/2401.06692)"
    )
    cold_start: ClassVar[bool] = True
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"top": None}
    top: Annotated[int, Field(ge=2)] | None = None
    """How many log-probabilities of each token the entropies were computed from, where they are lower bounds, as vLLM's
    of 20: it names the design, since it ranks prompts differently. None: all of them."""

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        return ("mean_entropy",) if self.top is None else ("mean_entropy", "mean_tail")

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.facts["mean_entropy"]

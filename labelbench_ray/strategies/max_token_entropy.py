"""The largest uncertainty of any token that a language model would answer with."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

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
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"top": None}
    token: Literal["entropy", "confidence"] = "entropy"
    """How uncertain a token is: its distribution's entropy, or 1 less the probability of the likeliest token."""

    top: Annotated[int, Field(ge=2)] | None = None
    """As in `mean_token_entropy`; a token's confidence is exact with any number."""

    @property
    def facts(self) -> tuple[str, ...]:  # type: ignore[override]  # read of a strategy that is made, never of its class
        read = "max_entropy" if self.token == "entropy" else "min_confidence"
        return (read,) if self.top is None else (read, "mean_tail")

    def score(self, block: Block) -> NDArray[np.float64]:
        return block.facts["max_entropy"] if self.token == "entropy" else 1 - block.facts["min_confidence"]

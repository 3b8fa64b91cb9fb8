"""Power sampling: rows drawn without replacement with weights score ** coldness (Kirsch et al. 2023)."""

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.strategies._ranking import Score, name_of, scored, uniforms
from labelbench_ray.types import Block

SMALLEST = 1e-12
"""Scores below it count as it, so that rows of no score come last, in random order."""
ROUNDING = 1e-6
"""Scores that are negative by no more than this are rounding errors of 0."""


def perturbed(block: Block, score: Score, coldness: float, key: int) -> NDArray[np.float64]:
    """(B,) coldness * log(score) + Gumbel noise keyed by the row's id: the largest are that draw.

    Raises:
        ValueError: a score is negative, by more than rounding.
    """
    gumbel_B = -np.log(-np.log(uniforms(key, block.ids_B)))
    scores_B = scored(block, score)
    negative_B = scores_B < -ROUNDING
    if negative_B.any():
        raise ValueError(
            f"{name_of(score)} returned {scores_B[negative_B][0]} for row {block.ids_B[negative_B][0]}; power sampling "
            "takes scores of at least 0 as weights"
        )
    return coldness * np.log(np.maximum(scores_B, SMALLEST)) + gumbel_B

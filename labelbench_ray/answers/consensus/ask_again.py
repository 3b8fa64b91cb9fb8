"""Which rows to ask for once more: those whose answers leave the most doubt."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.answers.consensus.votes import Floats, Ids

SURE: Final = 0.9
"""A label of this probability is not asked for again."""
SHARE: Final = 0.25
"""The largest share of a batch's answers that goes to rows that have answers."""
DIGITS: Final = 9
"""Confidences that are equal to so many are equally certain."""


def ask_again(
    confidence_N: Floats, disputed_N: NDArray[np.bool_], answers_N: Ids, overlap_N: Ids, max_answers: int
) -> Ids:
    """The numbers of rows that may be asked for again, the least certain first; equal ones ascending.

    Rows with fewer answers than their overlap still await those. Empty where `max_answers` is not above it.

    Args:
        confidence_N: of a consensus, as the next two.
        disputed_N: several labels are equally likely.
        answers_N: so far.
        overlap_N: how many answers each row gets at first.
        max_answers: how many it gets at most.
    """
    doubtful_N = (confidence_N < SURE) | disputed_N
    doubtful_N &= (answers_N >= np.maximum(overlap_N, 1)) & (answers_N < max_answers)
    rows_C = np.flatnonzero(doubtful_N)
    ranked_C: Ids = rows_C[np.argsort(confidence_N[rows_C].round(DIGITS), kind="stable")]
    return ranked_C

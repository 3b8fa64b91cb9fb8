"""Which rows to ask for once more: those whose answers leave the most doubt."""

from typing import Final

import numpy as np

from labelbench_ray.answers.consensus.votes import Consensus, Ids

SURE: Final = 0.9
"""A label of this probability is not asked for again."""
SHARE: Final = 0.25
"""The largest share of a batch that goes to rows that have answers."""


def ask_again(consensus: Consensus, overlap: int, max_answers: int, batch: int, share: float = SHARE) -> Ids:
    """Ids of rows to ask for again, the least certain first; equal ones ascending.

    Empty unless `max_answers` is above `overlap`. Rows with fewer answers than `overlap` still await those.

    Args:
        consensus: of the answers so far.
        overlap: how many answers each row gets at first.
        max_answers: how many it gets at most.
        batch: how many rows are asked for in all.
        share: of the batch, at most.
    """
    doubtful_N = (consensus.confidence_N < SURE) | consensus.disputed_N
    doubtful_N &= (consensus.answers_N >= max(overlap, 1)) & (consensus.answers_N < max_answers)
    rows_C = np.flatnonzero(doubtful_N)
    ranked_C = rows_C[np.argsort(consensus.confidence_N[rows_C], kind="stable")]
    return ranked_C[: int(batch * share)]

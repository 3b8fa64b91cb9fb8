"""Class probabilities of a block of rows: softmax, validation, and row summaries that do not saturate.

A confident float32 softmax reads exactly 1.0 for many rows, which makes `1 - max p` tie. The summaries here are
built from the *other* classes' mass instead, which keeps its digits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SUM_TOLERANCE = 1e-3


def softmax(logits_BK: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, K) float32 rows that sum to 1. Works in place on `logits_BK`, which the caller gives up."""
    logits_BK -= logits_BK.max(axis=1, keepdims=True)
    np.exp(logits_BK, out=logits_BK)
    logits_BK /= logits_BK.sum(axis=1, keepdims=True)
    return logits_BK


def check(probabilities_BK: NDArray[np.float32], first_row: int = 0) -> None:
    """Refuse rows that are not distributions; `first_row` is the pool row at which the block begins.

    Raises:
        ValueError: a NaN, an infinity, a negative entry, or a sum further than 1e-3 from 1.
    """
    if not np.isfinite(probabilities_BK).all():
        row = int(np.flatnonzero(~np.isfinite(probabilities_BK).all(axis=1))[0])
        raise ValueError(f"probabilities: row {first_row + row} holds NaN or infinity; every entry must be finite")
    if probabilities_BK.size and probabilities_BK.min() < 0:
        row = int(np.flatnonzero((probabilities_BK < 0).any(axis=1))[0])
        raise ValueError(
            f"probabilities: row {first_row + row} holds {probabilities_BK[row].min()}; entries must not be negative"
        )
    sums_B = probabilities_BK.sum(axis=1, dtype=np.float64)
    wrong_W = np.flatnonzero(np.abs(sums_B - 1) > SUM_TOLERANCE)
    if wrong_W.size:
        row = int(wrong_W[0])
        raise ValueError(
            f"probabilities: row {first_row + row} sums to {sums_B[row]:.6g}; rows must sum to 1 within "
            f"{SUM_TOLERANCE} (logits need a softmax; a single sigmoid column needs its complement beside it; several "
            "labels a row need labels of shape (L, K))"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What the uncertainty strategies need of a row, float64, each divided by the row's sum:
    the mass outside the likeliest class, and the second largest probability.
    """

    others_B: NDArray[np.float64]
    second_B: NDArray[np.float64]


def others(probabilities_BK: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy with each row's largest entry (the first of equals) set to 0."""
    rest_BK = probabilities_BK.copy()
    rest_BK[np.arange(len(rest_BK)), rest_BK.argmax(axis=1)] = 0
    return rest_BK


def summarize(probabilities_BK: NDArray[np.float32]) -> Summary:
    """(B,) summaries of (B, K) probabilities."""
    rest_BK = others(probabilities_BK)
    rest_B = rest_BK.sum(axis=1, dtype=np.float64)
    total_B = rest_B + probabilities_BK.max(axis=1)
    return Summary(others_B=rest_B / total_B, second_B=rest_BK.max(axis=1) / total_B)


def entropy(probabilities_BK: NDArray[np.float32]) -> NDArray[np.float64]:
    """(B,) entropy in nats; the likeliest class enters as log1p(-others), so that confident rows keep their order."""
    rest_BK = others(probabilities_BK)
    rest_B = rest_BK.sum(axis=1, dtype=np.float64)
    total_B = rest_B + probabilities_BK.max(axis=1)
    rest_BK /= total_B[:, None].astype(np.float32)
    rest_B = rest_B / total_B
    # 0 log 0 = 0: a logarithm of the smallest number instead of a masked one, which numpy takes entry by entry.
    logs_BK = np.maximum(rest_BK, np.finfo(np.float32).tiny)
    np.log(logs_BK, out=logs_BK)
    entropy_B: NDArray[np.float64] = -np.einsum("bk,bk->b", rest_BK, logs_BK) - (1 - rest_B) * np.log1p(-rest_B)
    return entropy_B

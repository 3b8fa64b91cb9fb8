"""Facts of an answer from the K largest log-probabilities of each token, which is what vLLM returns (20 at most).

Margins and the log-probability of a greedy token are exact with K >= 2. The entropy is bounded: with r the probability
of the V - K tokens that are not returned and S the sum of -q log q over those that are, S - r log r <= H, and
H <= S + r log(V - K) - r log r. The lower bound takes the rest as one token, the upper one spreads it evenly. With
K >= V both equal H.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TOP_FACTS: Final = (
    "mean_entropy",
    "mean_entropy_most",
    "mean_tail",
    "max_entropy",
    "neg_logprob",
    "mean_margin",
    "min_margin",
    "min_confidence",
    "num_new_tokens",
)
"""`mean_entropy` and `max_entropy` are lower bounds, `mean_entropy_most` an upper one; `mean_tail` is the mean of r."""


def entropy_bounds(logprobs_K: NDArray[np.float64], vocabulary: int) -> tuple[float, float]:
    """The least and the largest entropy, in nats, of a distribution with these K log-probabilities among V tokens."""
    probabilities_K = np.exp(logprobs_K)
    known = float(-(probabilities_K * logprobs_K).sum())
    rest, others = tail(logprobs_K), vocabulary - len(logprobs_K)
    if others <= 0 or rest <= 0:
        return known, known
    return known - rest * math.log(rest), known - rest * math.log(rest / others)


def tail(logprobs_K: NDArray[np.float64]) -> float:
    """The probability of the tokens that are not among them; rounding may make it slightly negative, which is 0."""
    return max(0.0, 1.0 - float(np.exp(logprobs_K).sum()))


def answer_facts(
    tokens: Sequence[int], logprobs: Sequence[Mapping[Any, Mapping[str, Any]]], vocabulary: int
) -> dict[str, float]:
    """The facts of a greedy answer: running aggregates over its tokens.

    Args:
        tokens: of the answer, its end token included.
        logprobs: for each token, `{token: {"logprob": ...}}` of the K likeliest; keys may be text, as Arrow has them.
        vocabulary: V.

    Raises:
        ValueError: an answer without tokens or without log-probabilities, or fewer than two a token.
    """
    if not tokens or len(logprobs) != len(tokens):
        raise ValueError(
            f"{len(tokens)} tokens with {len(logprobs)} log-probabilities; ask the engine for logprobs=20 and at least "
            "one token"
        )
    sums, most_entropy, least_margin, least_confidence = dict.fromkeys(TOP_FACTS, 0.0), 0.0, 1.0, 1.0
    for token, given in zip(tokens, logprobs, strict=True):
        known = {int(key): float(value["logprob"]) for key, value in given.items() if value is not None}
        top_K = np.array(sorted(known.values(), reverse=True))
        if len(top_K) < 2:
            raise ValueError(f"{len(top_K)} log-probabilities of a token; a margin needs two, ask for logprobs=20")
        least, most = entropy_bounds(top_K, vocabulary)
        first, second = np.exp(top_K[:2]).tolist()
        sums["mean_entropy"] += least
        sums["mean_entropy_most"] += most
        sums["mean_tail"] += tail(top_K)
        sums["neg_logprob"] -= known[token]
        sums["mean_margin"] += first - second
        most_entropy, least_margin = max(most_entropy, least), min(least_margin, first - second)
        least_confidence = min(least_confidence, first)
    count = len(tokens)
    means = {name: sums[name] / count for name in ("mean_entropy", "mean_entropy_most", "mean_tail", "mean_margin")}
    return means | {
        "max_entropy": most_entropy,
        "neg_logprob": sums["neg_logprob"],
        "min_margin": least_margin,
        "min_confidence": least_confidence,
        "num_new_tokens": float(count),
    }

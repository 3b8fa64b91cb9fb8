"""What is known of a greedy answer, token by token, as running aggregates: the logits themselves are never kept."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class TokenStatistics:
    """Aggregates over the tokens of B answers; entropies and log-probabilities are in nats, in float32 a token."""

    def __init__(self, rows: int, device: str | torch.device = "cpu") -> None:
        def filled(value: float) -> Tensor:
            return torch.full((rows,), value, dtype=torch.float64, device=device)

        self._entropy, self._neg_logprob, self._margin, self._tokens = (filled(0) for _ in range(4))
        self._max_entropy, self._min_margin, self._min_confidence = filled(0), filled(1), filled(1)

    def add(self, logits_BV: Tensor, active_B: Tensor) -> Tensor:
        """Take the next token of every answer that is `active_B`; returns (B,) the greedy tokens."""
        logprobs_BV = logits_BV.float().log_softmax(dim=-1)
        probabilities_BV = logprobs_BV.exp()
        entropy_B = torch.special.entr(probabilities_BV).sum(dim=-1).double()
        top_B2 = probabilities_BV.topk(2, dim=-1).values.double()
        token_B = logits_BV.argmax(dim=-1)
        margin_B, ones_B = top_B2[:, 0] - top_B2[:, 1], active_B.double()
        self._entropy += ones_B * entropy_B
        self._neg_logprob -= ones_B * logprobs_BV.gather(-1, token_B[:, None])[:, 0].double()
        self._margin += ones_B * margin_B
        self._tokens += ones_B
        self._max_entropy = torch.where(active_B, torch.maximum(self._max_entropy, entropy_B), self._max_entropy)
        self._min_margin = torch.where(active_B, torch.minimum(self._min_margin, margin_B), self._min_margin)
        self._min_confidence = torch.where(
            active_B, torch.minimum(self._min_confidence, top_B2[:, 0]), self._min_confidence
        )
        return token_B

    def facts(self) -> dict[str, NDArray[np.float64]]:
        """(B,) float64 for each fact of an answer; every answer has at least one token."""
        found = {
            "mean_entropy": self._entropy / self._tokens,
            "max_entropy": self._max_entropy,
            "neg_logprob": self._neg_logprob,
            "mean_margin": self._margin / self._tokens,
            "min_margin": self._min_margin,
            "min_confidence": self._min_confidence,
            "num_new_tokens": self._tokens,
        }
        return {name: values_B.cpu().numpy() for name, values_B in found.items()}

"""The learning rate over the steps of a fit."""

import math

WARMUP_CAP = 0.1


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear warm-up over min(warmup, total / 10) steps to 1, then half a cosine to 0 at `total`."""
    capped = min(warmup, int(WARMUP_CAP * total))
    if step < capped:
        return (step + 1) / capped
    return 0.5 * (1 + math.cos(math.pi * (step - capped) / max(1, total - capped)))

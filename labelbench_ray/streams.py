"""Random streams that depend on the question asked, never on what ran before it."""

import numpy as np


def stream(seed: int, round_number: int, purpose: str) -> np.random.Generator:
    """The stream of (trial seed, round, purpose)."""
    return np.random.default_rng([seed, round_number, *purpose.encode()])


def integer(seed: int, round_number: int, purpose: str) -> int:
    """A 63-bit seed from that stream, for libraries that want a number."""
    return int(stream(seed, round_number, purpose).integers(2**63))

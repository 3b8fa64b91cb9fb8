"""Texts with words deleted and swapped, after "easy data augmentation" (Wei and Zou 2019, arXiv 1901.11196).

Two of its four operations need the text alone. The others are left out: replacing words by synonyms and inserting
synonyms need a thesaurus; back-translation would need two translation models. Words are separated by white space, so a
language written without it is not changed.
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from labelbench_ray.augmentations import Augmentation, stream
from labelbench_ray.datasets import Modality
from labelbench_ray.encoders import Decoded

Share = Annotated[float, Field(ge=0, lt=1)]


class Words(Augmentation):
    """Deletes some words; strong: more of them, and swaps some pairs. At least one word stays."""

    payload: ClassVar[Modality] = Modality.TEXT
    weak_deletion: Share = 0.1
    """Probability of deleting each word."""
    strong_deletion: Share = 0.2
    """Probability of deleting each word in the strong form."""
    swaps: Share = 0.2
    """Pairs of words that swap places in the strong form, as a share of the words, rounded; one at least, if not 0."""

    def weak(self, decoded: Decoded, key: int) -> Decoded:
        return " ".join(_kept(_words(decoded), self.weak_deletion, stream(key, "weak")))

    def strong(self, decoded: Decoded, key: int) -> Decoded:
        rng = stream(key, "strong")
        words = _words(decoded)
        pairs = max(1, round(self.swaps * len(words))) if self.swaps and len(words) > 1 else 0
        for _ in range(pairs):
            one, other = rng.choice(len(words), 2, replace=False)
            words[one], words[other] = words[other], words[one]
        return " ".join(_kept(words, self.strong_deletion, rng))


def _words(decoded: Decoded) -> list[str]:
    assert isinstance(decoded, str), "an augmentation of texts was given an image; `parts.build` refuses that"
    return decoded.split()


def _kept(words: list[str], deletion: float, rng: np.random.Generator) -> list[str]:
    """The words that are not deleted: at least one, drawn evenly, unless there are no words."""
    draws = rng.random(len(words)).tolist()
    kept = [word for word, draw in zip(words, draws, strict=True) if draw >= deletion]
    return kept if kept or not words else [words[rng.integers(len(words))]]

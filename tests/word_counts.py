"""A user's own encoder of texts, named by its module path: how many words and letters they have."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.encoders import Decoded, Device, Encoder, Network


class Counting:
    """Needs no weights."""

    compute = "counts"

    def embed(self, decoded: Sequence[Decoded]) -> np.ndarray:
        return np.array([[len(str(text).split()), len(str(text))] for text in decoded], np.float32)


class WordCounts(Encoder):
    """Two dimensions."""

    payload: ClassVar[Modality] = Modality.TEXT

    def weights(self) -> str:
        return "none"

    def dimensions(self) -> int:
        return 2

    def preprocessing(self) -> str:
        return "none"

    def decode(self, payload: Payload) -> Decoded:
        return str(payload)

    def load(self, device: Device) -> Network:
        return Counting()

"""Embeddings as they were made elsewhere: nothing is decoded and no network runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.datasets.vectors.table import VANISHED
from labelbench_ray.encoders import Decoded, Device, Encoder

NOT_FINITE = "holds NaN or a number beyond 65,504, which float16 does not hold; scale the embeddings, or remove the row"
"""A reason to reject a row. The text is always the same, since a shard's hash covers it."""
TOO_SMALL = "is all zeros as float16, whose smallest number is 6e-8; scale the embeddings, or remove the row"
"""Another one."""


def why_rejected(half_D: NDArray[np.float16]) -> str:
    """The reason to reject a row that is not finite."""
    return TOO_SMALL if (half_D.view("<u2") == VANISHED).all() else NOT_FINITE


class Precomputed(Encoder):
    """Rows of the data set `embeddings`, as float16. A store of theirs names the array's file instead of copying it."""

    payload: ClassVar[Modality] = Modality.EMBEDDING

    def weights(self) -> str:
        return "none"

    def dimensions(self) -> int:
        """0: the data set states them."""
        return 0

    def preprocessing(self) -> str:
        return "none: embeddings as they are, rounded to float16"

    def decode(self, payload: Payload) -> Decoded:
        assert isinstance(payload, bytes)
        half_D = np.frombuffer(payload, "<f2")
        if not np.isfinite(half_D).all():
            raise ValueError(why_rejected(half_D))
        return np.frombuffer(payload, np.uint8)

    def load(self, device: Device) -> "PrecomputedNetwork":
        return PrecomputedNetwork()


@dataclass(frozen=True, slots=True)
class PrecomputedNetwork:
    """Reads the numbers."""

    compute: str = "float16 as stored"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return np.stack([np.asarray(each) for each in decoded]).view("<f2").astype(np.float32)

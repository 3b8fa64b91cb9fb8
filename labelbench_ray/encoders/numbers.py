"""Rows of numbers as they are, without a network: tables of measurements, or embeddings that were made elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from labelbench_ray.datasets import Modality, Payload
from labelbench_ray.encoders import Decoded, Device, Encoder


class Numbers(Encoder):
    """The `columns` numbers that a text holds, with spaces or commas between: D = columns."""

    payload: ClassVar[Modality] = Modality.TEXT
    columns: PositiveInt

    def weights(self) -> str:
        return "none"

    def dimensions(self) -> int:
        return self.columns

    def preprocessing(self) -> str:
        return "numbers of a text"

    def decode(self, payload: Payload) -> Decoded:
        assert isinstance(payload, str)
        values = _numbers(payload)
        if len(values) != self.columns:
            raise ValueError(f"{len(values)} numbers; this encoder takes {self.columns} (its setting `columns`)")
        # Embeddings are stored as float16.
        if not all(abs(value) <= np.finfo(np.float16).max for value in values):
            raise ValueError("a number is NaN or beyond 65,504, which float16 does not hold; scale the column")
        return payload

    def load(self, device: Device) -> "NumbersNetwork":
        return NumbersNetwork()


@dataclass(frozen=True, slots=True)
class NumbersNetwork:
    """Reads the numbers."""

    compute: str = "numpy float32 cpu"

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        return np.array([_numbers(str(text)) for text in decoded], np.float32)


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.replace(",", " ").split()]

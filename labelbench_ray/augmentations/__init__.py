"""Augmentations: one file each. Random changes to a decoded payload that keep its class, in a weak and a strong form.

All randomness comes from a key, which hashes the row's own id and the number of the view: the same on any worker, in
any thread and order, and no global generator is touched.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar, Literal

import numpy as np
from pydantic import JsonValue

from labelbench_ray import plugins
from labelbench_ray.config import digest
from labelbench_ray.datasets import Modality
from labelbench_ray.encoders import Decoded

PACKAGE = __name__

Purpose = Literal["weak", "strong"]


class Augmentation(plugins.Plugin, ABC):
    """An augmentation; its fields are its settings. Both methods are pure functions of their arguments."""

    payload: ClassVar[Modality]

    @abstractmethod
    def weak(self, decoded: Decoded, key: int) -> Decoded:
        """A small change to a decoded payload, which keeps its shape and type."""

    @abstractmethod
    def strong(self, decoded: Decoded, key: int) -> Decoded:
        """A large change, drawn independently of the weak one."""


@dataclass(frozen=True, slots=True)
class WantedViews:
    """The augmented views of the pool that a trainer learns from."""

    augmentation: Augmentation
    recipe: dict[str, JsonValue]
    """The augmentation's recipe, which names its views in the store."""
    count: int

    @property
    def digest(self) -> str:
        """The folder's name in the store."""
        return digest(self.recipe)

    def __str__(self) -> str:
        return f"{self.digest}:{self.count}"


def key(row_id: str, view: int) -> int:
    """63 bits that name the augmentation of a row in a view."""
    return int.from_bytes(blake2b(f"{view}\0{row_id}".encode(), digest_size=8).digest()) >> 1


def stream(key: int, purpose: Purpose) -> np.random.Generator:
    """The random stream of (key, purpose)."""
    return np.random.default_rng([key, *purpose.encode()])

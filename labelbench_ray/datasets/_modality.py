"""What the payload of a row is: its type, what encoders decode it to, and the words for it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from labelbench_ray.errors import ConfigError, unknown

Payload = bytes | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How payloads of one kind are handled."""

    payload: type[bytes] | type[str]
    """What a table returns for a row."""
    decoded: type[np.generic] | None
    """The type of the arrays that encoders decode a payload to; None: they decode it to text."""
    decoded_words: str
    """What `decode` returns, in words."""
    plural: str
    """The payloads, in a sentence."""
    augmentation: str | None
    """The augmentation that an error names; None if there is none."""
    is_file: bool
    """Whether people open a payload as a file; else they read it as text in a cell."""
    equal_embeddings: bool
    """Whether rows with equal embeddings count as the same row, even if their payloads differ."""


class Modality(StrEnum):
    """The kind of payload. It equals its name, so that a setting or a plug-in may state the name alone."""

    IMAGE = (
        "image",
        Traits(
            payload=bytes,
            decoded=np.uint8,
            decoded_words="uint8 pixels, as (H, W, 3)",
            plural="images",
            augmentation="images",
            is_file=True,
            equal_embeddings=True,
        ),
    )
    TEXT = (
        "text",
        Traits(
            payload=str,
            decoded=None,
            decoded_words="a str",
            plural="texts",
            augmentation="words",
            is_file=False,
            equal_embeddings=False,
        ),
    )

    AUDIO = (
        "audio",
        Traits(
            payload=bytes,
            decoded=np.float32,
            decoded_words="float32 features or samples",
            plural="sounds",
            augmentation=None,
            is_file=True,
            equal_embeddings=True,
        ),
    )
    TABLE = (
        "table",
        Traits(
            payload=str,
            decoded=np.float32,
            decoded_words="float32 columns",
            plural="table rows",
            augmentation=None,
            is_file=False,
            equal_embeddings=False,
        ),
    )
    EMBEDDING = (
        "embedding",
        Traits(
            payload=bytes,
            decoded=np.uint8,
            decoded_words="the bytes of its float16 numbers, as (2 D,) uint8",
            plural="embeddings",
            augmentation=None,
            is_file=True,
            equal_embeddings=True,
        ),
    )

    traits: Traits

    def __new__(cls, name: str, traits: Traits) -> Self:
        """A member whose value is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.traits = traits
        return member

    def __repr__(self) -> str:
        return repr(str(self))  # as users write it

    @classmethod
    def of(cls, name: str, where: str = "modality()") -> Self:
        """The member of this name; `ConfigError` names what is unknown and `where` it is stated."""
        for member in cls:
            if member == name:
                return member
        raise ConfigError(f"{where}: {unknown('modality', str(name), list(cls))}")

    @classmethod
    def of_column(cls, name: str) -> Self:
        """The same of payloads that lie in one column of a file; `ValueError` for rows of several columns."""
        if (modality := cls.of(name)) == "table":
            raise ValueError("a row of a table has several columns; use the data set 'tabular' and name no payload")
        return modality

    def is_decoded(self, decoded: object) -> bool:
        """Whether an encoder may decode a payload of this kind to this."""
        if self.traits.decoded is None:
            return isinstance(decoded, str)
        return isinstance(decoded, np.ndarray) and decoded.dtype == self.traits.decoded and decoded.ndim > 0

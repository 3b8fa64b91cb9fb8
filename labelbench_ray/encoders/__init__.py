"""Encoders: one file each. A frozen pretrained network that turns a payload into an embedding.

The work is divided by where it runs: `decode` is a plain function of one payload (CPU tasks), `load` makes the network
once in each embedding actor. An encoder holds settings only, so it is sent to workers as a small value.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import plugins
from labelbench_ray.datasets import Modality, Payload, Split
from labelbench_ray.errors import ConfigError

if TYPE_CHECKING:
    # At run time it would have every plan import torch.
    from labelbench_ray.encoders.networks.from_pixels import FromPixels

PACKAGE = __name__

Decoded = NDArray[np.uint8] | NDArray[np.float32] | str
Device = Literal["cpu", "cuda"]


class Network(Protocol):
    """A loaded encoder on one device."""

    @property
    def compute(self) -> str:
        """The compute path that made the numbers, as recorded: engine, dtype, device."""
        ...

    def embed(self, decoded: Sequence[Decoded]) -> NDArray[np.float32]:
        """(B, D) float32 embeddings of decoded payloads, in their order."""
        ...


@runtime_checkable
class AheadNetwork(Network, Protocol):
    """A network on a device that computes while the CPU lays out the next rows."""

    def embed_ahead(self, decoded: Sequence[Decoded]) -> Callable[[], NDArray[np.float32]]:
        """Begin what `embed` does; the returned function waits for the result.

        One thread begins all rows; any thread may wait, while others begin.
        """
        ...


@runtime_checkable
class TextNetwork(Network, Protocol):
    """A network of texts, which reads the beginning of each."""

    @property
    def most_tokens(self) -> int | None:
        """How many tokens of a text it reads, its special tokens included; None: all."""
        ...

    def num_cut(self, decoded: Sequence[Decoded]) -> int:
        """How many of these texts are longer."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WithFacts:
    """What a network finds out of B rows in one pass."""

    embeddings_BD: NDArray[np.float32]
    facts: Mapping[str, NDArray[Any]]
    """(B,) finite floats, integers or booleans for each of the encoder's `fact_names`."""


@runtime_checkable
class FactNetwork(Network, Protocol):
    """A network that computes facts of pool rows while it embeds them."""

    def embed_with_facts(self, decoded: Sequence[Decoded]) -> WithFacts:
        """The embeddings that `embed` returns, and the facts; called for rows of the pool instead of `embed`."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder of texts that has a tokenizer."""

    def num_tokens(self, text: str) -> int:
        """How many tokens a text has, without special ones."""
        ...


class Encoder(plugins.Plugin, ABC):
    """An encoder; its fields are its settings."""

    payload: ClassVar[Modality]

    def fitted(self, pool: Split) -> Self:
        """The encoder with what it takes from the pool's rows; one that takes nothing is the same. Its settings stay.

        `weights`, `dimensions` and `decode` are called of the fitted one, `weights` and `dimensions` also before.
        """
        return self

    @abstractmethod
    def weights(self) -> str:
        """SHA-256 of the weights, read without loading the network; a constant for encoders that have none.

        Raises:
            NotProvidedError: the weights are not on this machine.
        """

    @abstractmethod
    def dimensions(self) -> int:
        """D, found without loading the network, so that a plan can add up bytes; 0 while the weights are not here."""

    def provide(self) -> None:
        """Fetch the weights to this machine if a hub has them and the network allows it; does nothing if they are here.

        Raises:
            NotProvidedError: they cannot be fetched; the text states how to provide them.
        """

    @abstractmethod
    def preprocessing(self) -> str:
        """What `decode` and the network do to a payload before the first layer, in words, for the manifest."""

    def prepare_decoding(self) -> None:
        """Load what `decode` needs, once in each process that decodes: no row's time limit counts it."""

    @abstractmethod
    def decode(self, payload: Payload) -> Decoded:
        """One payload as the network takes it: uint8 (H, W, 3), float32, or text.

        Raises:
            ValueError, OSError: the payload cannot be decoded; the text states why.
        """

    def fact_names(self) -> tuple[str, ...]:
        """The facts of pool rows that its network, a `FactNetwork`, computes; none by default."""
        return ()

    @abstractmethod
    def load(self, device: Device) -> Network:
        """The network, ready to embed, on a single thread of a CPU or on a GPU."""


class Trainable(Encoder, ABC):
    """An encoder of images whose torch network a full model can train."""

    @abstractmethod
    def network(self) -> "FromPixels":
        """The network with its first weights, new at each call, on the CPU, every parameter trainable."""

    @abstractmethod
    def runtime(self, network: "FromPixels", device: Device) -> Network:
        """Such a network ready to embed, on a single thread of a CPU or on a GPU. May convert it in place."""

    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3) of what `decode` gives."""

    def load(self, device: Device) -> Network:
        return self.runtime(self.network(), device)


def trainable(encoder: Encoder) -> Trainable:
    """The encoder as one that can be trained; `ConfigError` for one that has no network to train."""
    if not isinstance(encoder, Trainable):
        raise ConfigError(
            f"encoder {encoder!r}: a full model trains the encoder's own network on images, and this one has none to "
            "train; use the proxy 'linear' or 'shallow', or an encoder such as efficientnet_lite0 or open_clip"
        )
    return encoder

"""Heads: where the last layer of a full model starts. One file each."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from labelbench_ray import plugins
from labelbench_ray.encoders import Encoder
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.types import Floats

PACKAGE = __name__


@dataclass(frozen=True, slots=True, eq=False)
class HeadContext:
    """What the first weights of a last layer may depend on."""

    encoder: Encoder
    classes: tuple[str, ...]
    dimensions: int
    """D of the encoder's embeddings."""
    seed: int
    proxy: Classifier | None = None
    """The light proxy that was trained on the same labels, on raw embeddings of the same encoder; None without one."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadLayer:
    """An affine layer: weight (D, K) float32, bias (K,) float32; `normalize` scales each feature to length 1 before."""

    weight_DK: Floats
    bias_K: Floats
    normalize: bool = False


class Head(plugins.Plugin, ABC):
    """First weights of the last layer; its fields are its settings."""

    normalizes: ClassVar[bool] = False
    """Its layers see features of length 1."""

    def check(self, encoder: Encoder, classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        """Raise `ConfigError` for parts that do not go together; called when a plan is made, reads no weights.

        Args:
            encoder: whose features the layer will see.
            classes: the data set's names; None while the data are not on this machine.
            proxy: the light proxy that will have been trained on the same labels; None where there is none.
        """

    @abstractmethod
    def layer(self, context: HeadContext) -> HeadLayer:
        """The layer, a pure function of the context; `check` has passed for its parts."""

"""What full models share: the encoder's own network under a head, trained on images."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from labelbench_ray import heads, plugins
from labelbench_ray.encoders import Encoder, trainable
from labelbench_ray.heads import Head, HeadContext
from labelbench_ray.plugins import Part
from labelbench_ray.proxies import Proxy

if TYPE_CHECKING:
    from labelbench_ray.proxies._network import FullNetwork


class FullProxy(Proxy, ABC):
    """A model that trains the encoder's own network."""

    trains_encoder: ClassVar[bool] = True
    head: Part = Part(name="random")
    """Where the last layer starts."""

    def made_of(self) -> dict[str, plugins.Plugin]:
        return {"head": self._head()}

    def check(self, encoder: Encoder, classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        """Raise `ConfigError` for parts that do not go together; the arguments are those of `Head.check`."""
        trainable(encoder)
        self._head().check(encoder, classes, proxy)

    @abstractmethod
    def network(self, context: HeadContext) -> "FullNetwork":
        """The network before its first step; what is not to be trained requires no gradient."""

    def finished(self, network: "FullNetwork") -> "FullNetwork":
        """The trained network with a plain backbone, as `tuned` and the ledger take it; may be the same one."""
        return network

    def _head(self) -> Head:
        return plugins.build(Head, heads.PACKAGE, self.head)

    @model_validator(mode="after")
    def _refuse_a_head_that_cannot_be_made(self) -> Self:
        self._head()
        return self

"""Full models: the encoder's own network under a head, trained on images. Their base class."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import PositiveInt, field_validator, model_validator

from labelbench_ray import augmentations, plugins
from labelbench_ray.augmentations import Augmentation
from labelbench_ray.datasets import Modality
from labelbench_ray.encoders import Encoder, trainable
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.proxies import Proxy, Tunable, heads
from labelbench_ray.proxies.heads import Head, HeadContext, HeadLayer

if TYPE_CHECKING:
    from labelbench_ray.proxies.full.network import FullNetwork


class FullProxy(Tunable, ABC):
    """A model that trains the encoder's own network on images."""

    head: Part = Part(name="random")
    """Where the last layer starts."""
    augmentation: Part = Part(name="images")
    """Of the images that are trained on, drawn anew in each epoch."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of matrix products in training (mixed precision); bfloat16 on GPUs that have it."""
    validation_rows: PositiveInt | None = 1000
    """How many validation images steer early stopping, a sample that is the same for every fit; None means all."""

    @field_validator("head")
    @classmethod
    def _resolve_settings(cls, head: Part) -> Part:
        return plugins.with_resolved_settings(head, plugins.build(Head, heads.PACKAGE, head))

    def inner_plugins(self) -> dict[str, plugins.Plugin]:
        return {"head": self.made_head, "augmentation": self.made_augmentation}

    @property
    def made_head(self) -> Head:
        """The head, built."""
        return plugins.build(Head, heads.PACKAGE, self.head)

    @property
    def made_augmentation(self) -> Augmentation:
        """The augmentation, built."""
        return plugins.build(Augmentation, augmentations.PACKAGE, self.augmentation)

    def check(self, encoder: Encoder, classes: tuple[str, ...] | None, proxy: Proxy | None) -> None:
        """Raise `ConfigError` for parts that do not go together; the arguments are those of `Head.check`."""
        trainable(encoder)
        changes, takes = Modality.of(self.made_augmentation.payload), Modality.of(encoder.payload)
        if changes != takes:
            raise ConfigError(
                f"the augmentation {self.augmentation} of a full model changes {changes.traits.plural}, the "
                f"encoder takes {takes.traits.plural}; choose one that fits (`labelbench list augmentations`)"
            )
        self.made_head.check(encoder, classes, proxy)

    @abstractmethod
    def network(self, context: HeadContext) -> "FullNetwork":
        """The network with its first weights, plain."""

    def adapted(self, network: "FullNetwork", seed: int) -> "FullNetwork":
        """The network as it is trained: what is not to be trained requires no gradient. May change it in place."""
        return network

    def finished(self, network: "FullNetwork") -> "FullNetwork":
        """The trained network with a plain backbone, as `tuned` and the ledger take it; may be the same one."""
        return network

    def plain(self, encoder: Encoder, num_classes: int) -> "FullNetwork":
        """A network of the shape of a finished one, for its tensors."""
        # Imported here: a plan does without the network.
        from labelbench_ray.proxies.full.network import FullNetwork

        shape = (encoder.dimensions(), num_classes)
        layer = HeadLayer(np.zeros(shape, np.float32), np.zeros(num_classes, np.float32), self.made_head.normalizes)
        return FullNetwork(trainable(encoder).network(), layer, frozen_statistics=True)

    @model_validator(mode="after")
    def _refuse_parts_that_cannot_be_made(self) -> Self:
        self.inner_plugins()
        return self

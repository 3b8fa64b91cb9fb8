"""Low-rank adapters in the encoder's last blocks, between a frozen encoder and a full fine-tune."""

import copy
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveInt

from labelbench_ray import streams
from labelbench_ray.encoders import trainable
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.proxies.heads import HeadContext

if TYPE_CHECKING:
    from labelbench_ray.proxies.full.network import FullNetwork


class Lora(FullProxy):
    """Adapters of `rank` on linear layers, attention and pointwise convolutions; they and the head are trained."""

    packages: ClassVar[tuple[str, ...]] = ("peft",)
    rank: PositiveInt = 8
    alpha: PositiveInt = 16
    """An adapter's output is scaled by alpha / rank."""
    blocks: PositiveInt = 2
    """How many of the last blocks are adapted."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of an adapter's input in training, on linear layers and convolutions; on attention `peft` has none."""

    def network(self, context: HeadContext) -> "FullNetwork":
        # Imported here: a plan does without the network.
        from labelbench_ray.proxies.full.network import FullNetwork

        backbone = trainable(context.encoder).network()
        return FullNetwork(backbone, self.made_head.layer(context), frozen_statistics=True)

    def adapted(self, network: "FullNetwork", seed: int) -> "FullNetwork":
        # Imported here: peft and transformers take seconds to import, and planning does without.
        from peft import LoraConfig

        from labelbench_ray.encoders.networks.from_pixels import FromPixels
        from labelbench_ray.proxies.full.adapters import adapted

        assert isinstance(network.backbone, FromPixels)
        config = LoraConfig(r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout)
        network.backbone = adapted(network.backbone, self.blocks, config, streams.integer(seed, 0, "adapters"))
        return network

    def finished(self, network: "FullNetwork") -> "FullNetwork":
        from labelbench_ray.proxies.full.adapters import merged

        finished = copy.deepcopy(network)
        finished.backbone = merged(finished.backbone)
        return finished

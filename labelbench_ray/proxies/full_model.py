"""Every weight of the encoder under a head: the model that the labels are bought for."""

from typing import TYPE_CHECKING, ClassVar

from labelbench_ray.encoders import trainable
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.proxies.heads import HeadContext

if TYPE_CHECKING:
    from labelbench_ray.proxies.full.network import FullNetwork


class FullModel(FullProxy):
    """The encoder's network trained end to end; strategies see the features that its last layer sees."""

    trains_every_weight: ClassVar[bool] = True
    # The default freezes them: statistics of few images are noise, those of pretraining are good, and a step no longer
    # depends on how a batch is cut over devices. Scale and shift are trained either way.
    frozen_statistics: bool = True
    """Keep the means and variances of batch normalization; false for a network that was not pretrained."""

    def network(self, context: HeadContext) -> "FullNetwork":
        # Imported here: a plan does without the network.
        from labelbench_ray.proxies.full.network import FullNetwork

        backbone = trainable(context.encoder).network()
        return FullNetwork(backbone, self.made_head.layer(context), frozen_statistics=self.frozen_statistics)

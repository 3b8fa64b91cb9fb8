"""A trainer whose loss is not finite for the second worker of two, in the epoch after the first."""

from torch import Tensor

from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.supervised import Supervised


class Diverging(Supervised):
    """The first worker goes on, and waits for the second's gradient."""

    def loss(self, step: Step) -> Tensor:
        return super().loss(step) * (float("nan") if step.device.rank == 1 and step.epoch == 1 else 1)

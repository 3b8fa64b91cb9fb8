"""Supervised training on the labeled rows alone (LabelBench's "passive" trainer).

Its defects are fixed here: a labeled set smaller than a batch still trains, warm-up is capped at a tenth of all steps
so that the learning rate reaches its target, and mixup mixes the smoothed targets as well as the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeFloat

from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy
from labelbench_ray.trainers._mixing import mixed_images
from labelbench_ray.trainers.engine.descent import Descent
from labelbench_ray.trainers.engine.step import Step

if TYPE_CHECKING:
    from torch import Tensor


class Supervised(Descent):
    """Cross-entropy with label smoothing and mixup, cosine schedule, early stopping by validation.

    The cross-entropy is binary where classes are independent.
    """

    teaches: ClassVar[str] = "nothing; label smoothing, mixup, CutMix (images)"
    source: ClassVar[str] = 'LabelBench\'s "passive" trainer'
    baseline: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    mixup: NonNegativeFloat = 0.2
    """Both parameters of the Beta distribution of the mixing weight; 0 mixes nothing."""
    cutmix: NonNegativeFloat = 0.0
    """Both parameters of CutMix (Yun et al. 2019, arXiv 1905.04899), images only; with both set, a step draws one."""

    def check(self, proxy: Proxy) -> None:
        if self.cutmix and not proxy.trains_encoder:
            raise ConfigError(
                f"trainer: cutmix={self.cutmix} cuts pieces out of images, but {type(proxy).__name__} is fitted "
                "to embeddings; use `mixup`, or the proxy 'full_model' or 'lora'"
            )

    def loss(self, step: Step) -> Tensor:
        inputs, targets_BK = self.batch(step)
        return step.data.task.loss(step.module(inputs), targets_BK)

    def batch(self, step: Step) -> tuple[Tensor, Tensor]:
        """A step's labeled rows and their smoothed targets (B, K), mixed."""
        inputs = step.data.inputs.labeled(step.labeled_B, step.epoch)
        targets_BK = step.data.task.targets(step.labels_B, step.data.num_classes, self.label_smoothing)
        if inputs.ndim > 2:
            return mixed_images(inputs, targets_BK, self.mixup, self.cutmix)
        if not self.mixup:
            return inputs, targets_BK
        weight = step.rng.beta(self.mixup, self.mixup)
        inputs, targets_BK = (weight * both + (1 - weight) * both.flip(0) for both in (inputs, targets_BK))
        return inputs, targets_BK

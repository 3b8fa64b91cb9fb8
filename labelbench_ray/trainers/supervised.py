"""Supervised training on the labeled rows alone (LabelBench's "passive" trainer).

Its defects are fixed here: a labeled set smaller than a batch still trains, warm-up is capped at a tenth of all steps
so that the learning rate reaches its target, and mixup mixes the smoothed targets as well as the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, NonNegativeFloat, model_validator

from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.proxies import Proxy
from labelbench_ray.trainers._mixing import mixed_images
from labelbench_ray.trainers.engine.data import FitData, Inputs
from labelbench_ray.trainers.engine.descent import Descent
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trainers.engine.step import State, Step

if TYPE_CHECKING:
    from torch import Tensor


class Supervised(Descent):
    """Cross-entropy with label smoothing and mixup, cosine schedule, early stopping by validation.

    The cross-entropy is binary where classes are independent.
    """

    teaches: ClassVar[str] = "nothing; label smoothing, mixup, CutMix (images)"
    source: ClassVar[str] = 'LabelBench\'s "passive" trainer'
    baseline: ClassVar[bool] = True
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {**Descent.neutral_settings, "until_accuracy": None}
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")
    weighs: ClassVar[tuple[Distribution, ...]] = (CATEGORICAL,)
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    mixup: NonNegativeFloat = 0.2
    """Both parameters of the Beta distribution of the mixing weight; 0 mixes nothing."""
    cutmix: NonNegativeFloat = 0.0
    """Both parameters of CutMix (Yun et al. 2019, arXiv 1905.04899), images only; with both set, a step draws one."""
    until_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    """A fit ends after the first epoch whose steps saw this share of their newest rows right, at the latest after
    `epochs`. Rows count as each step sees them, before it learns from them. None: all epochs run."""

    @model_validator(mode="after")
    def _refuse_to_count_mixed_rows(self) -> Self:
        if self.until_accuracy is not None and (self.mixup or self.cutmix):
            raise ValueError(
                f"until_accuracy={self.until_accuracy} counts right answers, and mixed rows have none; "
                "set mixup=0 and cutmix=0"
            )
        return self

    def check(self, proxy: Proxy) -> None:
        if self.cutmix and not proxy.trains_encoder:
            raise ConfigError(
                f"trainer: cutmix={self.cutmix} cuts pieces out of images, but {type(proxy).__name__} is fitted "
                "to embeddings; use `mixup`, or the proxy 'full_model' or 'lora'"
            )

    def loss(self, step: Step) -> Tensor:
        inputs, targets_BK = self.batch(step)
        logits_BK = step.module(inputs)
        self.count(step, logits_BK)
        return step.data.task.loss(logits_BK, targets_BK)

    def begin(self, data: FitData[Inputs]) -> State:
        """`seen`, (2,) int64: right answers and rows of this epoch, where these end a fit."""
        import torch

        if self.until_accuracy is None:
            return {}
        if data.task.distribution != CATEGORICAL:
            raise ConfigError(
                f"trainer: until_accuracy={self.until_accuracy} needs one class a row; leave it out for this data set"
            )
        return {"seen": torch.zeros(2, dtype=torch.int64)}

    def count(self, step: Step, logits_BK: Tensor) -> None:
        """Count the right answers among a step's newest rows, given the logits of all its labeled ones."""
        import torch

        if self.until_accuracy is None:
            return
        newest_B = torch.from_numpy(self.newest(step)).to(logits_BK.device)
        right_B = (logits_BK.detach().argmax(dim=1) == step.labels_B) & newest_B
        step.state["seen"] += torch.stack([right_B.sum(), newest_B.sum()])

    def newest(self, step: Step) -> NDArray[np.bool_]:
        """(B,) which labeled rows of a step an epoch passes over. By default, all."""
        return np.ones(len(step.labeled_B), np.bool_)

    def done(self, state: State, device: Device) -> bool:
        if self.until_accuracy is None:
            return False
        right, rows = device.gather(state["seen"][None]).sum(dim=0).tolist()
        state["seen"].zero_()
        return bool(right >= self.until_accuracy * rows)

    def batch(self, step: Step) -> tuple[Tensor, Tensor]:
        """A step's labeled rows and their smoothed targets (B, K), weighted and mixed."""
        inputs = step.data.inputs.labeled(step.labeled_B, step.epoch)
        targets_BK = step.data.task.targets(step.labels_B, step.data.num_classes, self.label_smoothing)
        targets_BK = step.weighted(targets_BK)
        if inputs.ndim > 2:
            return mixed_images(inputs, targets_BK, self.mixup, self.cutmix)
        if not self.mixup:
            return inputs, targets_BK
        weight = step.rng.beta(self.mixup, self.mixup)
        inputs, targets_BK = (weight * both + (1 - weight) * both.flip(0) for both in (inputs, targets_BK))
        return inputs, targets_BK

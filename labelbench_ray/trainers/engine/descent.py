"""Gradient descent: AdamW over mini-batches with warm-up, a cosine and early stopping, for any module and any loss.

A subclass of `Descent` writes the loss of a step; `fit.py` does everything else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field, JsonValue, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from labelbench_ray.proxies import Classifier, LightProxy, Proxy
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.trainers.engine.checkpoints import Checkpoints, NoCheckpoints
from labelbench_ray.trainers.engine.data import EmbeddedInputs, FitData, Inputs, PreviousRound, Tensors
from labelbench_ray.trainers.engine.device import ALONE, Device
from labelbench_ray.trainers.engine.kept import Keep
from labelbench_ray.trainers.engine.step import State, Step
from labelbench_ray.trainers.engine.trainer import Trainer
from labelbench_ray.types import Ids

if TYPE_CHECKING:
    from torch import Tensor, nn


class Gradient(Trainer):
    """A trainer by gradient descent: from scratch in every round, or from what the rounds before have learned.

    Subclasses differ in `start` and `method`. A fitter of another kind of model calls both, as `fit` does.
    """

    def start(self, fresh: Tensors, previous: tuple[PreviousRound, ...]) -> Tensors:
        """Initial weights for a round, by name. By default, the freshly initialized ones."""
        return fresh

    @abstractmethod
    def method(self, previous: tuple[PreviousRound, ...]) -> Descent:
        """The gradient descent that trains a round."""

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
        assert isinstance(proxy, LightProxy), proxy
        standardization = data.inputs.standardization
        module = proxy.module(data.inputs.labeled_LD.shape[1], data.num_classes, seed)
        fresh = Classifier.of_module(module, standardization).tensors()
        Classifier.of_tensors(self.start(fresh, data.previous)).fill(module)
        self.method(data.previous).descend(module, data, seed)
        return Classifier.of_module(module, standardization, data.task.distribution)


class Descent(Gradient):
    """A trainer by gradient descent."""

    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {"keep": "loss"}
    epochs: PositiveInt = 30
    batch_size: PositiveInt = 500
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 1e-2
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    warmup_steps: NonNegativeInt = 200
    """Capped at a tenth of all steps."""
    keep: Keep = "loss"
    """Which epoch's weights a fit keeps.

    `accuracy`: the epoch with the best validation accuracy (or the task's primary metric), ties broken by the
    validation loss. `loss`: the epoch with the lowest validation loss. `last`: the last epoch. Without validation rows
    every fit keeps the last epoch.
    """
    patience: PositiveInt = 5
    """Epochs without a new best (an equal one counts as new) before training stops; with `keep` "last" all run."""
    epoch_steps: PositiveInt = 1
    """An epoch is one pass over the labeled rows, or as many complete passes as give at least this many steps."""
    gradient_clip: PositiveFloat | None = None
    """The largest norm of the gradient; None: no limit."""
    accumulation: PositiveInt = 1
    """The number of parts into which a batch is cut to fit into memory."""

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]  # read of a trainer that is made, never of its class
        return self.keep != "last"

    @property
    def certain_epochs(self) -> int:
        """Epochs that run whatever the validation rows show: the first is always a new best, then patience counts."""
        return min(self.epochs, 1 + self.patience) if self.uses_validation else self.epochs

    def method(self, previous: tuple[PreviousRound, ...]) -> Descent:
        return self

    def places(self, data: FitData[Inputs]) -> Ids:
        """Places of the labeled rows over which an epoch passes. By default, all of them."""
        return np.arange(len(data.labels_L))

    def rate(self, data: FitData[Inputs]) -> float:
        """The learning rate between warm-up and cosine. By default, `learning_rate`."""
        return self.learning_rate

    def unlabeled_batch(self, data: FitData[Inputs]) -> int:
        """The number of unlabeled rows in a step. By default, none."""
        return 0

    def begin(self, data: FitData[Inputs]) -> State:
        """The method's state before the first step."""
        return {}

    def done(self, state: State, device: Device) -> bool:
        """Whether the fit ends after this epoch for what its steps saw: the same in every process. By default, no."""
        return False

    @abstractmethod
    def loss(self, step: Step) -> Tensor:
        """The loss of a step, a mean over its rows. May update `step.state`."""

    def descend(
        self,
        module: nn.Module,
        data: FitData[Inputs],
        seed: int,
        device: Device = ALONE,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Train a module in place and leave it with the weights of the epoch that `keep` selects.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        from labelbench_ray.trainers.engine.fit import TrainingRun

        TrainingRun(self, module, data, seed, device).run(checkpoints or NoCheckpoints())


def smoothed(labels_B: Tensor, num_classes: int, smoothing: float) -> Tensor:
    """(B, K) float32 targets of rows with one label each."""
    return SINGLE_LABEL.targets(labels_B, num_classes, smoothing)

"""Gradient descent: AdamW over mini-batches with warm-up, a cosine and early stopping, for any module and any loss.

A trainer that refines `Descent` states its loss for a step; `fit.py` does everything else.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, JsonValue, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import one_hot

from labelbench_ray.proxies import Classifier, LightProxy, Proxy
from labelbench_ray.trainers.engine.checkpoints import Checkpoints, NoCheckpoints
from labelbench_ray.trainers.engine.data import EmbeddedInputs, FitData, Inputs, PreviousRound, Tensors
from labelbench_ray.trainers.engine.device import ALONE, Device
from labelbench_ray.trainers.engine.fit import TrainingRun
from labelbench_ray.trainers.engine.kept import Keep
from labelbench_ray.trainers.engine.step import State, Step
from labelbench_ray.trainers.engine.trainer import Trainer
from labelbench_ray.types import Ids


class Gradient(Trainer):
    """A trainer by gradient descent: from scratch in every round, or from what the rounds before have learned.

    `start` and `method` are all that differs; who fits another kind of model calls them as `fit` does.
    """

    def start(self, fresh: Tensors, previous: tuple[PreviousRound, ...]) -> Tensors:
        """The weights to begin a round with, by name, given those of a freshly initialized model: those themselves."""
        return fresh

    @abstractmethod
    def method(self, previous: tuple[PreviousRound, ...]) -> "Descent":
        """The descent of a round."""

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
        assert isinstance(proxy, LightProxy), proxy
        standardization = data.inputs.standardization
        module = proxy.module(data.inputs.labeled_LD.shape[1], data.num_classes, seed)
        fresh = Classifier.of_module(module, standardization).tensors()
        Classifier.of_tensors(self.start(fresh, data.previous)).fill(module)
        self.method(data.previous).descend(module, data, seed)
        return Classifier.of_module(module, standardization)


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
    """Which epoch's weights a fit ends with.

    `accuracy`: that of the best validation accuracy, of equal ones that of the lowest validation loss; `loss`: that of
    the lowest validation loss; `last`: the last one, and so it is where there are no validation rows.
    """
    patience: PositiveInt = 5
    """Epochs without a new best (an equal one counts as new) before training stops; with `keep` "last" all run."""
    epoch_steps: PositiveInt = 1
    """An epoch is one pass over the labeled rows, or as many whole passes as make at least this many steps."""
    gradient_clip: PositiveFloat | None = None
    """Largest norm of the gradient; None: any."""
    accumulation: PositiveInt = 1
    """Parts into which a batch is cut so that it fits into memory."""

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]  # read of a trainer that is made, never of its class
        return self.keep != "last"

    @property
    def certain_epochs(self) -> int:
        """Epochs that run whatever is found on the validation rows: the first is a new best, then patience begins."""
        return min(self.epochs, 1 + self.patience) if self.uses_validation else self.epochs

    def method(self, previous: tuple[PreviousRound, ...]) -> "Descent":
        return self

    def places(self, data: FitData[Inputs]) -> Ids:
        """The labeled rows over which an epoch passes: all of them."""
        return np.arange(len(data.labels_L))

    def unlabeled_batch(self, data: FitData[Inputs]) -> int:
        """Unlabeled rows of a step: none."""
        return 0

    def begin(self, data: FitData[Inputs]) -> State:
        """The method's state before the first step."""
        return {}

    @abstractmethod
    def loss(self, step: Step) -> Tensor:
        """The loss of a step, a mean over its rows; may bring `step.state` up to date."""

    def descend(
        self,
        module: nn.Module,
        data: FitData[Inputs],
        seed: int,
        device: Device = ALONE,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Train a module in place; it ends with the weights of the epoch that `keep` asks for.

        Raises:
            FloatingPointError: a loss is no longer finite.
        """
        TrainingRun(self, module, data, seed, device).run(checkpoints or NoCheckpoints())


def smoothed(labels_B: Tensor, num_classes: int, smoothing: float) -> Tensor:
    """(B, K) float32 targets: (1 - smoothing) * one-hot + smoothing / K."""
    return one_hot(labels_B, num_classes).float() * (1 - smoothing) + smoothing / num_classes

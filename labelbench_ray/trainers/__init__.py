"""Trainers: how a proxy is fitted to the labels. One training method a file."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pydantic import JsonValue

from labelbench_ray import plugins
from labelbench_ray.augmentations import Augmentation
from labelbench_ray.config import digest
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.standardization import Standardization
from labelbench_ray.types import Examples

PACKAGE = __name__


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a trainer may learn from. Validation rows steer early stopping only, and are reported beside the budget."""

    labeled: Examples
    validation: Examples
    num_classes: int
    standardization: Standardization


@dataclass(frozen=True, slots=True)
class WantedViews:
    """Augmented views of the pool that a trainer needs in the embedding store."""

    augmentation: Augmentation
    recipe: dict[str, JsonValue]
    """`plugins.recipe` of the augmentation."""
    count: int

    @property
    def digest(self) -> str:
        """Names the augmentation in the store."""
        return digest(self.recipe)


class Trainer(plugins.Plugin, ABC):
    """A training method; its fields are its settings."""

    uses_validation: ClassVar[bool] = True
    """Looks at validation labels, which are then reported beside the budget."""

    def check(self, proxy: Proxy) -> None:
        """Raise `ConfigError` when this trainer cannot fit such a proxy; called when a plan is made."""

    def wanted_views(self) -> WantedViews | None:
        """The augmented views that `fit` learns from; None for a trainer that needs none."""
        return None

    @abstractmethod
    def fit(self, proxy: Proxy, data: TrainingData, seed: int) -> Classifier:
        """Fit a fresh proxy: a pure function of its arguments.

        Args:
            proxy: the shape of the model.
            data: at least one labeled row; classes may be missing among them.
            seed: of every random choice in the fit: initial weights, batches, mixing.

        Raises:
            FloatingPointError: the loss is no longer finite; the text names the epoch and the learning rate.
        """

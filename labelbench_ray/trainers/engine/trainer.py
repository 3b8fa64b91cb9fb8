"""The base of every trainer."""

from abc import ABC, abstractmethod
from typing import ClassVar

from labelbench_ray import tasks
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.plugins import Part
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.trainers.engine.data import EmbeddedInputs, FitData

PACKAGE = "labelbench_ray.trainers"


class Trainer(tasks.ServesTasks, ABC):
    """A training method; its fields are its settings."""

    uses_validation: ClassVar[bool] = True
    """Uses validation labels, which are then reported beside the budget."""
    weighs: ClassVar[tuple[Distribution, ...]] = ()
    """The kinds of labels whose weights (`FitData.weights_L`) it heeds; it is given none of other kinds."""
    teaches: ClassVar[str] = "nothing"
    """What unlabeled rows teach; like the next two, for readers, and in Markdown."""
    remembers: ClassVar[str] = ""
    """What it holds from step to step, or from round to round, beside the weights."""
    source: ClassVar[str] = ""
    """Who published it."""

    @classmethod
    def table_row(cls) -> dict[str, str]:
        return {
            "wants": "labels, validation labels" if cls.uses_validation else "labels",
            "unlabeled rows teach": cls.teaches,
            "state": cls.remembers,
            "tasks": ", ".join(cls.tasks),
            "from": cls.source,
        }

    @property
    def from_scratch(self) -> Part | None:
        """The trainer that does the same without the rounds before; None: this one begins each round from scratch."""
        return None

    def check(self, proxy: Proxy) -> None:
        """Raise `ConfigError` when this trainer cannot fit such a proxy; called when a plan is made."""

    def wanted_views(self) -> WantedViews | None:
        """The augmented views that must be in the store, if any."""
        return None

    @abstractmethod
    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
        """Fit a proxy: a pure function of its arguments.

        Args:
            proxy: the shape of the model.
            data: has at least one labeled row; some classes may have none.
            seed: seeds every random choice in the fit: initial weights, batches, mixing.

        Raises:
            FloatingPointError: the loss is not finite; the message names the step, the learning rate and the rows.
        """

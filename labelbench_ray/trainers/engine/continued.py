"""Trainers around another trainer that begin a round with what the last round's model has learned."""

from abc import abstractmethod
from typing import Self

from pydantic import PositiveInt, field_validator, model_validator

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.plugins import Part
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.proxies import Proxy
from labelbench_ray.trainers.engine.data import PreviousRound, Tensors
from labelbench_ray.trainers.engine.descent import Descent, Gradient
from labelbench_ray.trainers.engine.trainer import PACKAGE, Trainer


class Continued(Gradient):
    """Trains as `trainer` does, but from other initial weights. The first round is that of `trainer`."""

    trainer: Part = Part(name="supervised")
    """Any trainer by gradient descent that begins from scratch."""
    epochs: PositiveInt | None = None
    """Epochs, and the length of the cosine, in rounds after the first; None: as in the first. Early stopping may end a
    round sooner in either case."""

    @field_validator("trainer")
    @classmethod
    def _refuse_what_has_no_start(cls, trainer: Part) -> Part:
        inner = plugins.build(Trainer, PACKAGE, trainer)
        if inner.from_scratch is not None:
            raise ValueError(f"{trainer.name!r} continues from the last round already; use it without a wrapper")
        if not isinstance(inner, Descent):
            raise ValueError(
                f"{trainer.name!r} does not train by gradient descent, so initial weights change nothing; use "
                f"'supervised' or another that does, or use {trainer.name!r} without a wrapper"
            )
        return trainer

    @model_validator(mode="after")
    def _refuse_what_cannot_be_made(self) -> Self:
        self._inner()
        return self

    def _inner(self) -> Descent:
        inner = plugins.build(Trainer, PACKAGE, self.trainer)
        assert isinstance(inner, Descent)
        return inner

    def inner_plugins(self) -> dict[str, plugins.Plugin]:
        return {"trainer": self._inner()}

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]  # read of a trainer that is made, never of its class
        return self._inner().uses_validation

    @property
    def weighs(self) -> tuple[Distribution, ...]:  # type: ignore[override]  # as above
        return self._inner().weighs

    def check(self, proxy: Proxy) -> None:
        self._inner().check(proxy)

    def wanted_views(self) -> WantedViews | None:
        return self._inner().wanted_views()

    @property
    def from_scratch(self) -> Part:
        return self.trainer

    def method(self, previous: tuple[PreviousRound, ...]) -> Descent:
        inner = self._inner()
        return inner.model_copy(update={"epochs": self.epochs}) if previous and self.epochs else inner

    def start(self, fresh: Tensors, previous: tuple[PreviousRound, ...]) -> Tensors:
        return self.going_on(previous[-1].tensors(), fresh) if previous else fresh

    @abstractmethod
    def going_on(self, last: Tensors, fresh: Tensors) -> Tensors:
        """Initial weights for a round, from the last round's weights and freshly initialized ones."""

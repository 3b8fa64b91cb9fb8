"""Searches: which settings of a trial's parts are tuned, in which ranges, with how many trials.

A `Search` is a value. Which points it tries is the searchers' (`cluster/searchers`); each point is an ordinary trial.
"""

from collections.abc import Mapping
from typing import Any, Final, Self, TypeVar

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, model_validator

from labelbench_ray.config import Part, Trial, tiny, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Settings
from labelbench_ray.plugins.explanations import explain

Point = Mapping[str, float]
"""A value for each searched setting, such as {"trainer.learning_rate": 0.01}."""
TINY_TRIALS: Final = 3
TINY_SEEDS: Final = 1


class _Range(Settings):
    """What ranges have in common: the lower end lies below the upper one."""

    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be less than high {self.high:g}; exchange them")
        return self

    @property
    def edges(self) -> tuple[float, ...]:
        """The values that must be allowed, so that all are."""
        return self.low, self.high

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()}({self.low:g}, {self.high:g})"


class Uniform(_Range):
    """Any number of a range, all equally likely."""


class LogUniform(_Range):
    """Any number of a range of positive numbers, with equally likely logarithms."""

    low: PositiveFloat


class Integers(_Range):
    """Any whole number from `low` to `high`, both included."""

    low: int
    high: int


class Choice(Settings):
    """One of these numbers."""

    numbers: tuple[int | FiniteFloat, ...] = Field(min_length=2)

    @property
    def edges(self) -> tuple[float, ...]:
        """The values that must be allowed."""
        return self.numbers

    def __str__(self) -> str:
        return f"choice({', '.join(format(number, 'g') for number in self.numbers)})"


Kind = TypeVar("Kind", bound=Settings)
Distribution = Uniform | LogUniform | Integers | Choice


class Search(Settings):
    """Tune numeric settings of a trial's parts by the validation rows.

    The base is run, too, so that what tuning gains is measured. All trials have the same labels.

    Example: `Search(base=base, over={"trainer.learning_rate": loguniform(1e-4, 1e-1)}, trials=30)`.
    """

    base: Trial
    """The settings that are not searched, and those that the best point is compared with."""
    over: dict[str, Distribution] = Field(min_length=1)
    """The distribution of each searched setting, named `part.setting`; parts are trainer, proxy and encoder."""
    trials: PositiveInt
    """How many points are tried, the base not included. More of them continue the same search."""
    batch: PositiveInt = 5
    """How many points are suggested before the results of any of them are known: they run at the same time."""
    seed: NonNegativeInt = 0
    """Of the suggestions."""
    check_seeds: tuple[NonNegativeInt, ...] = ()
    """Once all points are tried, the best one and the base are run with these seeds: other labels, so that the gain is
    not that of the labels on which it was found."""

    def __init__(self, base: Trial, over: Mapping[str, Distribution], trials: int, **others: object) -> None:
        """A search; `others`: batch, seed and check_seeds."""
        given: dict[str, Any] = {"base": base, "over": over, "trials": trials, **others}
        super().__init__(**given)

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if self.base.seed in self.check_seeds:
            raise ValueError(f"check_seeds: {self.base.seed} is the seed of the search; give others")
        return self

    def trial(self, point: Point) -> Trial:
        """The base with the settings of a point."""
        changed: dict[str, Part] = {}
        for name, value in point.items():
            field, _, setting = name.partition(".")
            part = changed.get(field, getattr(self.base, field))
            changed[field] = Part(name=part.name, settings=part.settings | {setting: value})
        return vary(self.base, **changed)

    def tiny(self) -> "Search":
        """The same search shrunk to a few tiny trials."""
        base = tiny([self.base])[0]
        fewer = {"trials": min(self.trials, TINY_TRIALS), "check_seeds": self.check_seeds[:TINY_SEEDS]}
        return self.model_copy(update={"base": base, **fewer})


def uniform(low: float, high: float) -> Uniform:
    """Any number from `low` to `high`, all equally likely."""
    return _made(Uniform, low=low, high=high)


def loguniform(low: float, high: float) -> LogUniform:
    """Any number from `low` to `high`, with equally likely logarithms: for learning rates and weights of penalties."""
    return _made(LogUniform, low=low, high=high)


def integers(low: int, high: int) -> Integers:
    """Any whole number from `low` to `high`, both included."""
    return _made(Integers, low=low, high=high)


def choice(*numbers: float) -> Choice:
    """One of these numbers."""
    return _made(Choice, numbers=numbers)


def _made(kind: type[Kind], **given: object) -> Kind:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise ConfigError(f"{kind.__name__.lower()}: {explain(error)}") from error

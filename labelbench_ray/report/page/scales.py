"""From values to places in a drawing, with ticks at round values that their texts state exactly."""

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from labelbench_ray.report import words

STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
WHOLE_STEPS: Final = (1.0, 2.0, 5.0, 10.0)
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale from `low` .. `high` to `start` .. `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Tick:
    """A value and its exact text."""

    value: float
    text: str


def ticks(low: float, high: float, most: int, *, whole: bool = False, plus: str = "") -> tuple[Tick, ...]:
    """At most this number of ticks within a range.

    Args:
        low: the least value.
        high: the largest value, above `low`.
        most: at least 2.
        whole: at whole numbers only.
        plus: a sign before numbers above 0.
    """
    step = _step((high - low) / most, whole=whole)
    decimals = _decimals(step)
    first, last = ceil(low / step - _TINY), floor(high / step + _TINY)
    places = [place * step for place in range(first, last + 1)]
    return tuple(Tick(value, words.grouped(value, decimals, plus)) for value in places)


def padded(low: float, high: float, part: float = 0.05, least: float = 0.05) -> tuple[float, float]:
    """A range with some room at both ends; never empty."""
    room = part * (high - low) + least
    return low - room, high + room


def _step(least: float, *, whole: bool) -> float:
    """The smallest round step that is not below `least`."""
    if whole and least <= 1:
        return 1.0
    power = 10.0 ** floor(log10(least))
    round_steps = WHOLE_STEPS if whole else STEPS
    return next(step * power for step in round_steps if step * power >= least * (1 - _TINY))


def _decimals(step: float) -> int:
    """How many decimals state all multiples of the step exactly."""
    return next(decimals for decimals in range(13) if abs(round(step, decimals) - step) < _TINY * step)

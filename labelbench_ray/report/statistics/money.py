"""Whether the next batch is worth its price: what fewer errors save, against what the labels cost.

The value of a batch is use * harm * (accuracy after it - accuracy now), from the refits' gains of a forecast. It is
compared with the cost by its 80 % interval, since the gain of one batch is often smaller than the noise of one run.
(Letters: R refits.)
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from labelbench_ray.errors import ConfigError
from labelbench_ray.report.statistics.learning_curves import Floats

ENDS: Final = (0.1, 0.5, 0.9)
"""The 80 % interval of what a batch brings, with its median."""
THOUSAND: Final = 1000


class Worth(StrEnum):
    """What to do about the next batch."""

    GO_ON = "go on"
    STOP = "stop"
    UNCLEAR = "unclear: run one more"


@dataclass(frozen=True, slots=True)
class Stakes:
    """What decisions, errors and answers are worth, in one currency."""

    use: float
    """Decisions that the model makes over the time that counts, such as a year."""
    harm: float
    """The cost of one wrong decision."""
    price: float
    """Of an answer."""
    answers_per_row: float = 1.0
    compute: float = 0.0
    """Of a batch: training and scoring."""

    def __post_init__(self) -> None:
        """Raises ConfigError: a negative or endless number."""
        for name in ("use", "harm", "price", "answers_per_row", "compute"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} is {value}; prices and numbers of decisions are 0 or larger")

    def cost(self, labels: float) -> float:
        """Of a batch with this number of rows."""
        return labels * self.price * self.answers_per_row + self.compute

    def total(self, labels: Floats, accuracies: Floats) -> Floats:
        """The cost of these labels and of the errors that remain; compute is left out."""
        spent: Floats = labels * self.price * self.answers_per_row + self.use * self.harm * (1 - accuracies)
        return spent


@dataclass(frozen=True, slots=True)
class Range:
    """A median with its 80 % interval."""

    low: float
    median: float
    high: float


def batch_value(gains_R: Floats, stakes: Stakes) -> Range:
    """What a batch that gains this much accuracy is worth."""
    return _range(stakes.use * stakes.harm * gains_R)


def decide(gains_R: Floats, labels: float, stakes: Stakes) -> Worth:
    """Go on where the lower end of the value exceeds the cost, stop where the upper end is below it."""
    value, cost = batch_value(gains_R, stakes), stakes.cost(labels)
    return Worth.GO_ON if value.low > cost else Worth.STOP if value.high < cost else Worth.UNCLEAR


def points_per_thousand(gains_R: Floats, labels: float) -> Range:
    """Percentage points of accuracy for each 1,000 of these labels, where no prices are known."""
    return _range(100 * gains_R * THOUSAND / labels)


def _range(values_R: Floats) -> Range:
    low, median, high = np.quantile(values_R, ENDS)
    return Range(float(low), float(median), float(high))

"""Metrics of predicted numbers: mean squared error and R2.

Sums are kept as fractions, which add up exactly, so that the order of the rows' blocks and the number of shards do not
matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Final, Self

import numpy as np

from labelbench_ray.tasks._ranges import AMOUNT, Range
from labelbench_ray.types import Floats, Labels

RANGES: Final[Mapping[str, Range]] = {
    "R2": (-inf, 1.0),
    "Mean Squared Error": AMOUNT,
    "Group Gap": AMOUNT,
    "Num Labeled": AMOUNT,
    "Labeled Standard Deviation": AMOUNT,
}
"""Of the metrics below, and of those that the loop makes from them."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over rows: of squared errors, of answers, and of their squares."""

    rows: int
    squared_errors: Fraction
    answers: Fraction
    squares: Fraction

    def __add__(self, other: Self) -> "Tally":
        return Tally(
            self.rows + other.rows,
            self.squared_errors + other.squared_errors,
            self.answers + other.answers,
            self.squares + other.squares,
        )

    @property
    def spread(self) -> Fraction:
        """The sum of squared distances of the answers from their mean."""
        return self.squares - self.answers**2 / self.rows


def tally(predicted_BK: Floats, answers_B: Labels) -> Tally:
    """The tally of rows: predictions (B, 1), true answers (B,) float64."""
    errors_B = predicted_BK[:, 0].astype(np.float64) - answers_B
    return Tally(
        len(answers_B),
        Fraction(float(np.square(errors_B).sum())),
        Fraction(float(answers_B.sum())),
        Fraction(float(np.square(answers_B).sum())),
    )


def mean_squared_error(counts: Tally) -> float:
    """The mean over rows of (prediction - answer)²."""
    return float(counts.squared_errors / counts.rows)


def r2(counts: Tally, otherwise: float) -> float:
    """1 - squared errors / squared distances of the answers from their mean; `otherwise` where these are all 0."""
    # Equal answers have a spread of rounding errors only: the squares of a block are rounded before they are summed.
    negligible = counts.squares * Fraction(2) ** -40
    return float(1 - counts.squared_errors / counts.spread) if counts.spread > negligible else otherwise


def of_split(split: str, counts: Tally) -> dict[str, float]:
    """The metrics of one split; R2 is left out where all answers are equal."""
    explained = r2(counts, otherwise=float("nan"))
    return {f"{split} Mean Squared Error": mean_squared_error(counts)} | (
        {f"{split} R2": explained} if np.isfinite(explained) else {}
    )


def of_labeled(true_L: Labels) -> dict[str, float]:
    """How many rows were labeled, and the mean and the standard deviation of their true answers."""
    return {
        "Num Labeled": len(true_L),
        "Labeled Mean": float(true_L.mean()),
        "Labeled Standard Deviation": float(true_L.std()),
    }

"""Instance-dependent label noise: annotators err where classes look alike, as people do."""

from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.corrupters import SeededCorrupter, TruePool
from labelbench_ray.corrupters._reference_probe import confusions
from labelbench_ray.errors import DataError
from labelbench_ray.types import Labels

HALVINGS: Final = 80
"""Steps of the bisection; each halves the interval of the factor's logarithm."""
TOLERANCE: Final = 1e-3
"""How far the mean probability may be from the rate."""


class InstanceDependent(SeededCorrupter):
    """A row gets the class that a linear probe of the true labels takes it for most easily, beside its own.

    The probability is proportional to 1 less the probe's margin between the two, at most 1, and scaled so that its mean
    over the pool is `rate`. The probe is fitted to the stored embeddings of the trial's store and all true labels.
    """

    version: ClassVar[int] = 2
    rate: Annotated[float, Field(ge=0, le=1)] = 0.2

    def answers(self, pool: TruePool) -> Labels:
        runner_up_N, log_ease_N = confusions(pool)
        probabilities_N = flip_probabilities(log_ease_N, self.rate)
        if abs((reached := float(probabilities_N.mean())) - self.rate) > TOLERANCE:
            raise DataError(
                f"{self}: rate={self.rate:g} cannot be reached with these embeddings, only {reached:.3f}; use a "
                "smaller rate, or uniform_noise, which needs no embeddings"
            )
        flipped_N = self.stream(pool).random(len(log_ease_N)) < probabilities_N
        return np.where(flipped_N, runner_up_N, pool.labels_N)


def flip_probabilities(log_ease_N: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """(N,) min(1, factor * ease), with the factor for which the mean is `rate`; logarithms, as ease may underflow.

    The mean is less where fewer than that share of the rows have any ease (a logarithm that is finite).
    """
    finite_N = log_ease_N[np.isfinite(log_ease_N)]
    if not rate or not len(finite_N):
        return np.zeros(len(log_ease_N))
    # With the smallest factor no probability is above the rate; with the largest, all are 1.
    low, high = float(np.log(rate) - finite_N.max()), float(-finite_N.min())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = np.exp(np.minimum(0, middle + log_ease_N)).mean() >= rate
        low, high = (low, middle) if enough else (middle, high)
    probabilities_N: NDArray[np.float64] = np.exp(np.minimum(0, high + log_ease_N))
    return probabilities_N

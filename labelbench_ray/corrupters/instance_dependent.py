"""Instance-dependent label noise: annotators err where classes look alike, as people do."""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from labelbench_ray.corrupters import SeededCorrupter, TruePool
from labelbench_ray.corrupters._reference_probe import confusions
from labelbench_ray.types import Labels

HALVINGS: Final = 60
"""Steps of the bisection; each halves the interval of the factor's logarithm."""


class InstanceDependent(SeededCorrupter):
    """A row gets the class that a linear probe of the true labels takes it for most easily, beside its own.

    The probability is proportional to 1 less the probe's margin between the two, at most 1, and scaled so that its mean
    over the pool is `rate`. The probe is fitted to the stored embeddings of the trial's store and all true labels.
    """

    rate: Annotated[float, Field(ge=0, le=1)] = 0.2

    def answers(self, pool: TruePool) -> Labels:
        runner_up_N, ease_N = confusions(pool)
        flipped_N = self.stream(pool).random(len(ease_N)) < flip_probabilities(ease_N, self.rate)
        return np.where(flipped_N, runner_up_N, pool.labels_N)


def flip_probabilities(ease_N: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """(N,) min(1, factor * ease), with the factor for which the mean is `rate`.

    The mean is less where fewer than that share of the rows have any ease.
    """
    low, high = 1e-9, 1e9
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if np.minimum(1, middle * ease_N).mean() >= rate else (middle, high)
    probabilities_N: NDArray[np.float64] = np.minimum(1, high * ease_N) if rate else np.zeros(len(ease_N))
    return probabilities_N

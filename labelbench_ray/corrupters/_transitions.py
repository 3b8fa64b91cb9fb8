"""Noise that depends on a row's class alone: a matrix of what annotators answer for each."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.corrupters import SeededCorrupter, TruePool
from labelbench_ray.types import Labels


class Transitions(SeededCorrupter):
    """Every row's answer is drawn on its own, given its true class."""

    @abstractmethod
    def matrix_of(self, classes: Sequence[str]) -> NDArray[np.float64]:
        """(K, K): entry (c, k) is the probability that a row of class c gets the answer k; rows sum to 1."""

    def answers(self, pool: TruePool) -> Labels:
        self.check(pool.classes)
        cumulative_KK = self.matrix_of(pool.classes).cumsum(axis=1)
        draws_N = self.stream(pool).random(len(pool.labels_N))
        noisy_N = pool.labels_N.copy()
        for label, cumulative_K in enumerate(cumulative_KK):
            rows = np.flatnonzero(pool.labels_N == label)
            # The last sum may be a little below 1; the division leaves classes of probability 0 without answers.
            noisy_N[rows] = np.searchsorted(cumulative_K / cumulative_K[-1], draws_N[rows], side="right")
        return noisy_N

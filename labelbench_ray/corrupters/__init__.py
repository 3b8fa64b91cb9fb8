"""Corrupters: label noise of the annotators, one kind a file. Validation and test labels stay clean."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import plugins

PACKAGE = __name__


class Corrupter(plugins.Plugin, ABC):
    """A kind of label noise; its fields are its settings."""

    @abstractmethod
    def corrupt(self, labels_N: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
        """(N,) what an annotator would answer for each row of the pool: a pure function, the same for every trial."""

"""Corrupters: label noise of the annotators, one kind a file. Validation and test labels stay clean."""

from abc import ABC, abstractmethod

from labelbench_ray import tasks
from labelbench_ray.types import Labels

PACKAGE = __name__


class Corrupter(tasks.ServesTasks, ABC):
    """A kind of label noise; its fields are its settings."""

    @abstractmethod
    def corrupt(self, labels_N: Labels, num_classes: int) -> Labels:
        """(N, ...) what annotators would answer for each row of the pool: a pure function, the same for every trial."""

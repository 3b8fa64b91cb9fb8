"""Corrupters: label noise of the annotators, one kind a file. Validation and test labels stay clean."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt

from labelbench_ray import streams, tasks
from labelbench_ray.errors import ConfigError
from labelbench_ray.types import Floats, Ids, Labels

PACKAGE = __name__


@dataclass(frozen=True, slots=True, eq=False)
class TruePool:
    """The pool of a trial as a corrupter sees it: the true labels, and what else noise may depend on."""

    labels_N: Labels
    """(N, ...) as their task holds them; every row has one."""
    classes: tuple[str, ...]
    seed: int = 0
    """The trial's."""
    ids_N: Ids | None = None
    """(N,) which row of `embeddings` each label belongs to; None: they are aligned."""
    embeddings: NDArray[Any] | None = None
    """(P, D) as they are stored; None where only labels are known."""

    @classmethod
    def of_labels(cls, labels_N: Labels, num_classes: int) -> Self:
        """Labels alone; classes are named by their numbers."""
        return cls(labels_N, tuple(map(str, range(num_classes))))

    def embeddings_of(self, rows: slice | Ids) -> Floats:
        """(B, D) float32 stored embeddings of these rows, by their places in `labels_N`.

        Raises:
            ConfigError: only labels are known.
        """
        if self.embeddings is None:
            raise ConfigError("the noise depends on embeddings, and only labels are given; call `answers` with them")
        wanted: Any = rows if self.ids_N is None else self.ids_N[rows]
        return np.asarray(self.embeddings[wanted], np.float32)


class Corrupter(tasks.ServesTasks, ABC):
    """A kind of label noise; its fields are its settings."""

    @abstractmethod
    def corrupt(self, labels_N: Labels, num_classes: int) -> Labels:
        """(N, ...) what annotators would answer for each row of the pool: a pure function, the same for every trial."""

    def answers(self, pool: TruePool) -> Labels:
        """(N, ...) what annotators answer in one trial: a pure function. By default, what `corrupt` returns."""
        return self.corrupt(pool.labels_N, len(pool.classes))

    def check(self, classes: Sequence[str]) -> None:
        """Refuse a data set with classes that the settings do not fit, with a `ConfigError`; by default, none."""

    def classes_to_try(self) -> tuple[str, ...] | None:
        """The names of classes that the settings fit, to try it on; None: any classes."""
        return None


class SeededCorrupter(Corrupter):
    """Noise that is drawn at random."""

    seed: NonNegativeInt | None = None
    """Of the flips. None: the trial's seed, so that trials of other seeds meet other noise, and strategies of one seed
    the same."""

    def corrupt(self, labels_N: Labels, num_classes: int) -> Labels:
        """The answers for labels alone, as a trial of seed 0 gets them."""
        return self.answers(TruePool.of_labels(labels_N, num_classes))

    @abstractmethod
    def answers(self, pool: TruePool) -> Labels: ...

    def stream(self, pool: TruePool, number: int = 0, purpose: str = "noise") -> np.random.Generator:
        """The random stream of this noise; `number`: which of several."""
        return streams.stream(pool.seed if self.seed is None else self.seed, number, purpose)

"""Fitting the model of a round, and opening it: what its tensors say of the pool, validation and test rows.

A light proxy scores the embeddings in the store. A full model embeds the rows anew, and its last layer scores those
embeddings, so that strategies and metrics see either in the same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.costs import Spent
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.proxies import Classifier
from labelbench_ray.trainers import Heard, Past, Tensors, TrainingData, Unlabeled
from labelbench_ray.trial.parts import Parts
from labelbench_ray.types import Examples, Floats, Ids, Model, PoolView

OpenView = Callable[[Model, Ids, Ids], PoolView]
"""(model, labeled, labels) -> a view of the pool: in process, or over scorers."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained model: what it scores, the embeddings that it scores, and how the pool of them is viewed."""

    classifier: Classifier
    embedded: Embedded
    open_view: OpenView


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """A finished round: the labels known at its end, and its model's tensors, read when they are asked for."""

    num_labeled: int
    tensors: Callable[[], Tensors]


def _uncounted(spent: Spent) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a fit is given: the labels bought so far, in their order, and the rounds before."""

    labeled_L: Ids
    labels_L: Ids
    earlier: Sequence[Earlier]
    seed: int
    listen: Callable[[Heard], None]
    proxy: Classifier | None = None
    """The light proxy that was fitted to the same labels, where there is one."""
    spend: Callable[[Spent], None] = _uncounted
    """Told what other processes spent on the fit."""


class Fitter(Protocol):
    """How a trial's models are fitted and opened."""

    @property
    def embedded(self) -> Embedded:
        """The embeddings of the store: what strategies see before the first fit."""
        ...

    @property
    def open_view(self) -> OpenView:
        """Views of their pool."""
        ...

    @property
    def gpus(self) -> float:
        """GPUs that a fit and an opening hold."""
        ...

    @property
    def validation_labels(self) -> int:
        """How many validation labels steer a fit."""
        ...

    def fit(self, lesson: Lesson) -> Tensors:
        """The tensors of a model trained on the labels: a pure function of the lesson."""
        ...

    def open(self, tensors: Tensors) -> Fitted:
        """The model that the tensors hold, ready to score."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LightFitter:
    """Fits a light proxy on the embeddings of the store."""

    parts: Parts
    embedded: Embedded
    pairs: tuple[NDArray[np.float16], ...]
    """The augmented views that the trainer wants."""
    open_view: OpenView
    gpus: float = 0.0

    @property
    def validation_labels(self) -> int:
        """All of the split, where the trainer stops early."""
        return len(self.embedded.validation.labels_N) * self.parts.trainer.uses_validation

    def fit(self, lesson: Lesson) -> Tensors:
        embedded = self.embedded
        raw_LD = embedded.pool.embeddings_ND[lesson.labeled_L]
        data = TrainingData(
            labeled=Examples(embedded.standardization.apply(raw_LD), lesson.labels_L),
            validation=embedded.validation_examples,
            num_classes=len(embedded.classes),
            standardization=embedded.standardization,
            labeled_ids_L=lesson.labeled_L,
            unlabeled=Unlabeled(
                unlabeled_ids(len(embedded.pool.labels_N), lesson.labeled_L) if self.pairs else lesson.labeled_L[:0],
                self.pairs,
            ),
            past=pasts(lesson.earlier, raw_LD),
            listen=lesson.listen,
        )
        return self.parts.trainer.fit(self.parts.proxy, data, lesson.seed).tensors()

    def open(self, tensors: Tensors) -> Fitted:
        return Fitted(Classifier.of_tensors(tensors), self.embedded, self.open_view)


def _logits(tensors: Callable[[], Tensors], raw_BD: NDArray[Any]) -> Floats:
    return Classifier.of_tensors(tensors()).logits(raw_BD)


def pasts(
    earlier: Sequence[Earlier],
    rows_L: NDArray[Any],
    logits: Callable[[Callable[[], Tensors], NDArray[Any]], Floats] = _logits,
) -> tuple[Past, ...]:
    """What trainers may know of the rounds before.

    Args:
        earlier: the rounds, from the first to the last.
        rows_L: what a model reads of each labeled row, in the order in which they were bought: its raw embedding.
        logits: what a round's model says of such rows.
    """
    starts = [0, *(round_.num_labeled for round_ in earlier)]
    return tuple(
        Past(round_.num_labeled, round_.tensors, partial(logits, round_.tensors, rows_L[start : round_.num_labeled]))
        for start, round_ in zip(starts, earlier, strict=False)
    )


def in_process(embedded: Embedded, shards: int = 1) -> OpenView:
    """Views that this process computes itself."""
    return partial(PoolView.from_model, embedded.pool.embeddings_ND, shards=shards)


def unlabeled_ids(num_rows: int, labeled_L: Ids) -> Ids:
    """(U,) int64 pool ids that are not labeled, ascending."""
    open_N = np.ones(num_rows, np.bool_)
    open_N[labeled_L] = False
    return np.flatnonzero(open_N)

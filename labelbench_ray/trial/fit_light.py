"""Fitting the model of a round, and opening it to score the pool, validation and test rows.

A light proxy scores the embeddings in the store. A full model embeds the rows again, and its last layer scores those
embeddings, so strategies and metrics see both in the same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.costs import Cost
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.proxies import Classifier, LightProxy, SelfFitted
from labelbench_ray.proxies.multitask.fit import Map, one_by_one
from labelbench_ray.trainers import PreviousRound, PseudoLabels, Tensors
from labelbench_ray.trainers.engine.data import NO_IDS, Pairs, Work, embedded_data, ignore
from labelbench_ray.trial.label_weights import check_weighs, heeded
from labelbench_ray.trial.parts import Parts
from labelbench_ray.types import Floats, Ids, Labels, Model, PoolView

OpenView = Callable[[Model, Ids, Labels], PoolView]
"""(model, labeled, labels) -> a view of the pool: in process, or over scorers."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A trained model: what it scores, the embeddings that it scores, and how the pool of them is viewed."""

    classifier: Model
    embedded: Embedded
    open_view: OpenView


def _ignore_cost(spent: Cost) -> None:
    """No-op callback."""


@dataclass(frozen=True, slots=True, eq=False)
class FitRequest:
    """What a fit is given: the labels in the order in which they were bought, and the previous rounds."""

    labeled_L: Ids
    labels_L: Labels
    previous: Sequence[PreviousRound]
    seed: int
    on_pseudo_labels: Callable[[PseudoLabels], None]
    proxy: Classifier | None = None
    """The light proxy that was fitted to the same labels, where there is one."""
    spend: Callable[[Cost], None] = _ignore_cost
    """Called with what other processes spent on the fit."""
    on_work: Callable[[Work], None] = ignore
    """Called at the end of the fit."""
    wasted_W: Ids = field(default_factory=NO_IDS.copy)
    """Rows that were asked for and have no class: they do not count as unlabeled either."""
    weights_L: NDArray[np.float64] | None = None
    """How much each label counts, in any unit, such as its confidence; None: all alike. Light proxies alone."""

    @property
    def asked(self) -> Ids:
        """All rows that were asked for."""
        return np.concatenate([self.labeled_L, self.wasted_W])

    def counted(self) -> Self:
        """The request without labels of weight 0, its weights scaled to a mean of 1, or None where they are equal."""
        if self.weights_L is None:
            return self
        counts_L, weights_L = heeded(self.labeled_L, self.weights_L)
        labeled_L, labels_L = self.labeled_L[counts_L], self.labels_L[counts_L]
        return replace(self, labeled_L=labeled_L, labels_L=labels_L, weights_L=weights_L)


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

    def fit(self, request: FitRequest) -> Tensors:
        """The tensors of a model trained on the labels: a pure function of the request."""
        ...

    def open(self, tensors: Tensors) -> TrainedModel:
        """The model that the tensors hold, ready to score."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LightFitter:
    """Fits a light proxy on the embeddings of the store."""

    parts: Parts
    embedded: Embedded
    pairs: Pairs
    """The augmented views that the trainer wants."""
    open_view: OpenView
    gpus: float = 0.0
    map_tasks: Map = one_by_one
    """What a proxy that fits itself computes its parts with."""

    @property
    def validation_labels(self) -> int:
        """All of the split if the trainer uses it, else 0."""
        return len(self.embedded.validation.labels_N) * self.parts.trainer.uses_validation

    def fit(self, request: FitRequest) -> Tensors:
        request = request.counted()
        embedded, labeled_L, weights_L = self.embedded, request.labeled_L, request.weights_L
        if isinstance(self.parts.proxy, SelfFitted):
            check_weighs(self.parts.proxy, embedded.task.distribution, weights_L)
            classifier, passes = self.parts.proxy.fit(
                StoredInputs(embedded),
                embedded.standardization,
                labeled_L,
                request.labels_L,
                embedded.pool.facts.take(labeled_L),
                embedded.task.distribution,
                self.map_tasks,
                # Proxies that do not weigh labels may lack the parameter.
                **({} if weights_L is None else {"weights_L": weights_L}),
            )
            request.on_work(Work(passes, passes * len(labeled_L)))
            return classifier.tensors()
        check_weighs(self.parts.trainer, embedded.task.distribution, weights_L)
        data = embedded_data(
            embedded.pool.embeddings_ND[labeled_L],
            request.labels_L,
            embedded.validation_examples,
            len(embedded.classes),
            embedded.standardization,
            labeled_L,
            unlabeled_ids(len(embedded.pool.labels_N), request.asked) if self.pairs else NO_IDS,
            self.pairs,
            tuple(request.previous),
            request.on_pseudo_labels,
            request.on_work,
            embedded.task,
            weights_L,
        )
        return self.parts.trainer.fit(self.parts.proxy, data, request.seed).tensors()

    def open(self, tensors: Tensors) -> TrainedModel:
        return TrainedModel(self.classifier(tensors), self.embedded, self.open_view)

    def classifier(self, tensors: Tensors) -> Classifier:
        """The proxy that the tensors hold."""
        proxy = self.parts.proxy
        read = proxy.classifier_type() if isinstance(proxy, LightProxy) else Classifier
        return read.of_tensors(tensors, self.embedded.task.distribution)


@dataclass(frozen=True, slots=True, eq=False)
class StoredInputs:
    """The rows of a store's pool (a `PoolInputs`); it travels as the store's name."""

    embedded: Embedded

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.embedded.pool.embeddings_ND.shape[1])

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.embedded.classes)

    def standardized(self, ids_B: Ids) -> Floats:
        """(B, D) float32."""
        return self.embedded.standardization.apply(self.embedded.pool.embeddings_ND[ids_B])


def in_process(embedded: Embedded, shards: int = 1) -> OpenView:
    """Views that this process computes itself."""
    return partial(PoolView.from_model, embedded.pool.embeddings_ND, shards=shards, facts=embedded.pool.facts)


def unlabeled_ids(num_rows: int, labeled_L: Ids) -> Ids:
    """(U,) int64 pool ids that are not labeled, ascending."""
    open_N = np.ones(num_rows, np.bool_)
    open_N[labeled_L] = False
    return np.flatnonzero(open_N)

"""Trainers: how a proxy is fitted to the labels. One training method a file."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray import plugins
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.types import Examples, Floats, Ids

PACKAGE = __name__

Tensors = Mapping[str, NDArray[Any]]
"""A trained model's tensors by name, as they lie in the ledger."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the steps of an epoch made of their unlabeled rows: pool ids, pseudo-labels, weights (0: left out); (U,)."""

    epoch: int
    ids_U: Ids
    pseudo_labels_U: Ids
    weights_U: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A finished round: how many labeled rows its model knew; the model, and its logits for the rows bought in it."""

    num_labeled: int
    tensors: Callable[[], Tensors]
    bought_BK: Callable[[], Floats]
    """(B, K) raw logits, in the order in which the rows were bought."""


@dataclass(frozen=True, slots=True, eq=False)
class Unlabeled:
    """The unlabeled rows' pool ids (U,), and the pool's views: one memory-mapped (N, 2, D) float16 array a view."""

    ids_U: Ids
    pairs: tuple[NDArray[np.float16], ...]
    """Weak and strong embeddings, raw, in the order of pool ids."""


NONE_UNLABELED = Unlabeled(np.empty(0, np.int64), ())


def _unheard(heard: Heard) -> None:
    """No-op."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a trainer may learn from. Validation rows decide which epoch is kept, and are counted beside the budget."""

    labeled: Examples
    """In the order in which they were bought."""
    validation: Examples
    num_classes: int
    standardization: Standardization
    labeled_ids_L: Ids
    unlabeled: Unlabeled = NONE_UNLABELED
    """For trainers that want views."""
    past: tuple[Past, ...] = ()
    """The rounds before this one, from the first to the last."""
    listen: Callable[[Heard], None] = _unheard
    """Called at the end of the fit with what the steps of the epoch that is kept made of their unlabeled rows."""


class Trainer(plugins.Plugin, ABC):
    """A training method; its fields are its settings."""

    uses_validation: ClassVar[bool] = True
    """Looks at validation labels, which are then reported beside the budget."""

    def check(self, proxy: Proxy) -> None:
        """Raise `ConfigError` when this trainer cannot fit such a proxy; called when a plan is made."""

    def wanted_views(self) -> WantedViews | None:
        """The augmented views that must be in the store, if any."""
        return None

    @abstractmethod
    def fit(self, proxy: Proxy, data: TrainingData, seed: int) -> Classifier:
        """Fit a proxy: a pure function of its arguments.

        Args:
            proxy: the shape of the model.
            data: at least one labeled row; classes may be missing among them.
            seed: of every random choice in the fit: initial weights, batches, mixing.

        Raises:
            FloatingPointError: the loss is no longer finite; the text names the step, the learning rate and the rows.
        """

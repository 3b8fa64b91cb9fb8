"""What a fit learns from: labeled and unlabeled rows as a module takes them, validation rows, and the rounds before.

A *place* counts within the labeled rows, in the order in which they were bought, or within the unlabeled rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.tasks import Task
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.types import Examples, Floats, Ids, Labels

if TYPE_CHECKING:
    from torch import Tensor, nn

WEAK, STRONG = 0, 1
NO_IDS: Ids = np.empty(0, np.int64)

Tensors = Mapping[str, NDArray[Any]]
"""A trained model's tensors by name, as they lie in the ledger."""
Pairs = tuple[NDArray[np.float16], ...]
"""A memory-mapped (N, 2, D) array for each augmented view: weak and strong raw embeddings by pool id."""


@dataclass(frozen=True, slots=True, eq=False)
class PreviousRound:
    """A finished round: the number of labels that its model was trained on, and the model, read on demand."""

    num_labeled: int
    tensors: Callable[[], Tensors]


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """What one or more steps of an epoch taught their unlabeled rows: (U,) pool ids, pseudo-labels, weights."""

    epoch: int
    ids_U: Ids
    pseudo_labels_U: Ids
    weights_U: Floats
    """0 for a row that was left out."""


@dataclass(frozen=True, slots=True)
class Validated:
    """How good a module is on the validation rows."""

    accuracy: float
    """Or what the task has for its primary metric."""
    loss: float
    """The task's mean loss."""

    def score(self, keep: Literal["accuracy", "loss"]) -> tuple[float, ...]:
        """The better, the larger: the accuracy and, where that ties, the loss; or the loss alone."""
        return (self.accuracy, -self.loss) if keep == "accuracy" else (-self.loss,)


@dataclass(frozen=True, slots=True)
class Work:
    """What a fit did, whatever the machine."""

    epochs: int
    row_passes: int
    """Rows through the model, one for a forward pass and two for a backward pass, validation left out."""

    def metrics(self) -> dict[str, float]:
        """As a round's record has them."""
        return {"Fit Epochs": self.epochs, "Fit Row Passes": self.row_passes}


class Inputs(Protocol):
    """Rows as a module takes them: standardized embeddings or images."""

    def labeled(self, places_B: Ids, epoch: int) -> Tensor:
        """Labeled rows: a weak view where there are views, else the rows themselves."""
        ...

    def weak(self, places_B: Ids, epoch: int) -> Tensor:
        """A weak view of unlabeled rows."""
        ...

    def strong(self, places_B: Ids, epoch: int) -> Tensor:
        """A strong view of the same rows."""
        ...


AnyInputs = TypeVar("AnyInputs", bound=Inputs, covariant=True)


def ignore(reported: object) -> None:
    """No-op callback."""


@dataclass(frozen=True, slots=True, eq=False)
class FitData(Generic[AnyInputs]):
    """Everything that a fit learns from; `inputs` is what differs between light proxies and full models."""

    inputs: AnyInputs
    answers_L: Labels
    """(L, ...) as the task holds them, in the order in which they were bought; writable."""
    labeled_ids_L: Ids
    unlabeled_ids_U: Ids
    """Empty for trainers that want no views."""
    num_classes: int
    validate: Callable[[nn.Module], Validated] | None
    """Measures a module on the validation rows; None: there are no such rows."""
    logits: Callable[[Tensors, Ids], Floats]
    """(a round's tensors, places of labeled rows) -> (B, K) raw logits of that round's model."""
    task: Task = SINGLE_LABEL
    """What a label is: its loss and its targets."""
    previous: tuple[PreviousRound, ...] = ()
    """The rounds before this one, from the first to the last."""
    on_pseudo_labels: Callable[[PseudoLabels], None] = ignore
    """Within a fit, each step reports here; a fit reports the epoch that it keeps, once, at its end."""
    on_work: Callable[[Work], None] = ignore
    """Called once, at the end of a fit."""
    weights_L: NDArray[np.float64] | None = None
    """How much each label counts, above 0 and 1 in the mean; None: all alike. For trainers that state `weighs`."""

    @property
    def labels_L(self) -> Tensor:
        """The labels as a tensor over the same memory: a fit without tensors does without torch's 1.5 s of imports."""
        import torch

        return torch.from_numpy(self.answers_L)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedInputs:
    """Embeddings from the store; epoch e reads view e modulo the number of views."""

    labeled_LD: Floats
    """Standardized, in the order in which they were bought."""
    validation: Examples
    standardization: Standardization
    labeled_ids_L: Ids
    unlabeled_ids_U: Ids
    pairs: Pairs

    def labeled(self, places_B: Ids, epoch: int) -> Tensor:
        import torch

        if not self.pairs:
            return torch.from_numpy(self.labeled_LD)[torch.from_numpy(places_B)]
        return self._view(self.labeled_ids_L[places_B], epoch, WEAK)

    def weak(self, places_B: Ids, epoch: int) -> Tensor:
        return self._view(self.unlabeled_ids_U[places_B], epoch, WEAK)

    def strong(self, places_B: Ids, epoch: int) -> Tensor:
        return self._view(self.unlabeled_ids_U[places_B], epoch, STRONG)

    def _view(self, ids_B: Ids, epoch: int, side: int) -> Tensor:
        import torch

        pairs_N2D = self.pairs[epoch % len(self.pairs)]
        return torch.from_numpy(self.standardization.apply(pairs_N2D[ids_B, side]))

    def validated(self, module: nn.Module, task: Task) -> Validated:
        """A module's accuracy (or what the task has for it) and loss on the validation rows."""
        import torch

        # Labels may be mapped from a file, read-only, which torch takes only as a copy.
        truth_V = torch.from_numpy(np.array(self.validation.labels_B))
        with torch.inference_mode():
            logits_VK = module(torch.from_numpy(self.validation.embeddings_BD))
            return Validated(*task.validated(logits_VK, truth_V))


def embedded_data(
    raw_LD: NDArray[Any],
    labels_L: Labels,
    validation: Examples,
    num_classes: int,
    standardization: Standardization,
    labeled_ids_L: Ids,
    unlabeled_ids_U: Ids = NO_IDS,
    pairs: Pairs = (),
    previous: tuple[PreviousRound, ...] = (),
    on_pseudo_labels: Callable[[PseudoLabels], None] = ignore,
    on_work: Callable[[Work], None] = ignore,
    task: Task = SINGLE_LABEL,
    weights_L: NDArray[np.float64] | None = None,
) -> FitData[EmbeddedInputs]:
    """The fit data of a light proxy, given the raw embeddings of the labeled rows and standardized validation rows."""
    labeled_LD = standardization.apply(raw_LD)
    inputs = EmbeddedInputs(labeled_LD, validation, standardization, labeled_ids_L, unlabeled_ids_U, pairs)
    return FitData(
        inputs=inputs,
        answers_L=np.array(labels_L),
        labeled_ids_L=labeled_ids_L,
        unlabeled_ids_U=unlabeled_ids_U,
        num_classes=num_classes,
        validate=partial(inputs.validated, task=task) if len(validation.labels_B) else None,
        logits=partial(_logits, raw_LD),
        task=task,
        previous=previous,
        on_pseudo_labels=on_pseudo_labels,
        on_work=on_work,
        weights_L=weights_L,
    )


def _logits(raw_LD: NDArray[Any], tensors: Tensors, places_B: Ids) -> Floats:
    return Classifier.of_tensors(tensors).logits(raw_LD[places_B])

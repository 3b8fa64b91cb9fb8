"""What gradient descent works on: labeled and unlabeled rows as a module takes them, by place, and validation.

A place counts within the labeled rows (in the order in which they were bought) or within the unlabeled ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.trainers import Heard, Past, TrainingData, Unlabeled
from labelbench_ray.trainers.engine.kept import Validated
from labelbench_ray.types import Examples, Ids

WEAK, STRONG = 0, 1


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


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything that a fit learns from."""

    inputs: Inputs
    labels_L: Tensor
    labeled_ids_L: Ids
    unlabeled_ids_U: Ids
    num_classes: int
    validate: Callable[[nn.Module], Validated] | None
    """A module on the validation rows; None: there are no such rows."""
    past: tuple[Past, ...]
    listen: Callable[[Heard], None]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedInputs:
    """Embeddings from the store; epoch e reads view e modulo the number of views."""

    labeled_LD: Tensor
    labeled_ids_L: Ids
    unlabeled: Unlabeled
    standardization: Standardization

    def labeled(self, places_B: Ids, epoch: int) -> Tensor:
        if not self.unlabeled.pairs:
            return self.labeled_LD[torch.from_numpy(places_B)]
        return self._view(self.labeled_ids_L[places_B], epoch, WEAK)

    def weak(self, places_B: Ids, epoch: int) -> Tensor:
        return self._view(self.unlabeled.ids_U[places_B], epoch, WEAK)

    def strong(self, places_B: Ids, epoch: int) -> Tensor:
        return self._view(self.unlabeled.ids_U[places_B], epoch, STRONG)

    def _view(self, ids_B: Ids, epoch: int, side: int) -> Tensor:
        pairs_N2D: NDArray[np.float16] = self.unlabeled.pairs[epoch % len(self.unlabeled.pairs)]
        return torch.from_numpy(self.standardization.apply(pairs_N2D[ids_B, side]))


def embedded_material(data: TrainingData) -> Material:
    """The material of a proxy on embeddings."""
    labeled_LD, labels_L = tensors(data.labeled)
    validation_VD, truth_V = tensors(data.validation)

    def validate(module: nn.Module) -> Validated:
        with torch.inference_mode():
            logits_VK = module(validation_VD)
            right_V = logits_VK.argmax(dim=1) == truth_V
            return Validated(float(right_V.float().mean()), float(cross_entropy(logits_VK, truth_V)))

    return Material(
        inputs=EmbeddedInputs(labeled_LD, data.labeled_ids_L, data.unlabeled, data.standardization),
        labels_L=labels_L,
        labeled_ids_L=data.labeled_ids_L,
        unlabeled_ids_U=data.unlabeled.ids_U,
        num_classes=data.num_classes,
        validate=validate if len(truth_V) else None,
        past=data.past,
        listen=data.listen,
    )


def tensors(examples: Examples) -> tuple[Tensor, Tensor]:
    """(B, D) float32, sharing memory, and (B,) int64, a copy: labels may be mapped from a file, read-only."""
    return torch.from_numpy(examples.embeddings_BD), torch.from_numpy(np.array(examples.labels_B))

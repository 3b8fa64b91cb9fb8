"""The epoch that a fit keeps: the best one by a rule, with its weights and its pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelbench_ray.trainers.engine.data import PseudoLabels
from labelbench_ray.trainers.engine.device import Device

if TYPE_CHECKING:
    from torch import Tensor

Keep = Literal["accuracy", "loss", "last"]

PSEUDO_LABELS = "heard"
"""Their key in a checkpoint. It keeps its first name, so that earlier checkpoints stay readable."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptEpoch:
    """The best epoch so far. It starts with an empty score, which every other score exceeds."""

    score: tuple[float, ...] = ()
    weights: dict[str, Tensor] = field(default_factory=dict)
    pseudo_labels: PseudoLabels | None = None
    """None for a method without unlabeled rows."""

    def state(self) -> dict[str, Any]:
        """Its entries in a checkpoint."""
        import torch

        labels = self.pseudo_labels
        return {
            "best": self.weights,
            "score": list(self.score),
            PSEUDO_LABELS: None if labels is None else [labels.epoch, *map(torch.from_numpy, _arrays(labels))],
        }

    @classmethod
    def of_state(cls, found: dict[str, Any]) -> KeptEpoch:
        """Read it from a checkpoint."""
        labels = found.get(PSEUDO_LABELS)
        return cls(
            # Older checkpoints have the lowest loss instead.
            score=tuple(found["score"]) if "score" in found else (-found["course"][1],),
            weights=found["best"],
            pseudo_labels=None if labels is None else PseudoLabels(labels[0], *(array.numpy() for array in labels[1:])),
        )


def merged(steps: Sequence[PseudoLabels], device: Device) -> PseudoLabels | None:
    """Join the steps of an epoch, with the rows of all processes."""
    import torch

    if not steps:
        return None
    columns = (np.concatenate(column) for column in zip(*map(_arrays, steps), strict=True))
    return PseudoLabels(steps[0].epoch, *(device.gather(torch.from_numpy(column)).numpy() for column in columns))


def _arrays(pseudo_labels: PseudoLabels) -> tuple[Any, ...]:
    return pseudo_labels.ids_U, pseudo_labels.pseudo_labels_U, pseudo_labels.weights_U

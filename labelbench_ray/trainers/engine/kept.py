"""Which epoch of a fit is kept: the best one by a rule, with its weights and what it made of the unlabeled rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from labelbench_ray.trainers import Heard
from labelbench_ray.trainers.engine.device import Machine

Keep = Literal["accuracy", "loss", "last"]


@dataclass(frozen=True, slots=True)
class Validated:
    """How good a module is on the validation rows."""

    accuracy: float
    loss: float
    """Mean cross-entropy."""

    def score(self, keep: Literal["accuracy", "loss"]) -> tuple[float, ...]:
        """The better, the larger: the accuracy and, where that ties, the loss; or the loss alone."""
        return (self.accuracy, -self.loss) if keep == "accuracy" else (-self.loss,)


@dataclass(frozen=True, slots=True, eq=False)
class KeptEpoch:
    """The best epoch so far. Before the first one an empty score, which every other one exceeds."""

    score: tuple[float, ...] = ()
    weights: dict[str, Tensor] = field(default_factory=dict)
    heard: Heard | None = None
    """None for a method without unlabeled rows."""

    def state(self) -> dict[str, Any]:
        """As it lies in a checkpoint."""
        return {
            "best": self.weights,
            "score": list(self.score),
            "heard": None if self.heard is None else [self.heard.epoch, *map(torch.from_numpy, _columns(self.heard))],
        }

    @classmethod
    def of_state(cls, found: dict[str, Any]) -> "KeptEpoch":
        """What a checkpoint holds."""
        heard = found.get("heard")
        return cls(
            # Checkpoints that are older than the rule have the lowest loss instead.
            score=tuple(found["score"]) if "score" in found else (-found["course"][1],),
            weights=found["best"],
            heard=None if heard is None else Heard(heard[0], *(column.numpy() for column in heard[1:])),
        )


def merged(steps: Sequence[Heard], machine: Machine) -> Heard | None:
    """The steps of an epoch as one, with the rows of all processes."""
    if not steps:
        return None
    columns = (np.concatenate(column) for column in zip(*map(_columns, steps), strict=True))
    return Heard(steps[0].epoch, *(machine.gather(torch.from_numpy(column)).numpy() for column in columns))


def _columns(heard: Heard) -> tuple[Any, ...]:
    return heard.ids_U, heard.pseudo_labels_U, heard.weights_U

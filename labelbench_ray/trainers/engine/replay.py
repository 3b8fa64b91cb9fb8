"""Continual active learning (Das et al. 2023, arXiv 2305.06408): train on the newest rows, replay older ones.

The cost of a step does not grow with the number of labels, and an epoch passes over the newest rows only: that is what
a round saves. The first round has nothing to replay and is plain supervised training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, PositiveFloat

from labelbench_ray.plugins import Part
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.trainers.engine.data import FitData, Inputs, PreviousRound, Tensors
from labelbench_ray.trainers.engine.step import State, Step
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.types import Ids

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """The module's outputs for a step's newest and older rows, by one pass, and what the rows should give."""

    newest_BK: Tensor
    """Logits, float32."""
    newest_targets_BK: Tensor
    """Smoothed and mixed."""
    older: Step
    """The step with the older rows as its labeled ones."""
    older_RK: Tensor
    older_targets_RK: Tensor
    """Smoothed."""

    @property
    def then_RK(self) -> Tensor:
        """The older rows' logits of the rounds that bought them, where `begin` keeps `logits_when_bought`."""
        import torch

        kept: Tensor = self.older.state["then"][torch.from_numpy(self.older.labeled_B)]
        return kept.to(self.older_RK.device)


class Newest(Supervised):
    """A supervised trainer that begins with the last round's weights, and whose epochs pass over the newest rows."""

    # Places of older rows count all labels, and labels of weight 0 are left out.
    weighs: ClassVar[tuple[Distribution, ...]] = ()

    @property
    def from_scratch(self) -> Part:
        return Part(name="supervised")

    def start(self, fresh: Tensors, previous: tuple[PreviousRound, ...]) -> Tensors:
        return previous[-1].tensors() if previous else fresh

    def places(self, data: FitData[Inputs]) -> Ids:
        return np.arange(num_older(data), len(data.labels_L))


class Replay(Newest):
    """Each step also learns from older rows."""

    tasks: ClassVar[tuple[str, ...]] = ("single_label",)
    neutral_settings: ClassVar[Mapping[str, JsonValue]] = {
        **Newest.neutral_settings,
        "older_per_newest": 1.0,
        "scale_rate": False,
    }
    older_per_newest: PositiveFloat = 1.0
    """Older rows of a step for each newest row of `batch_size`."""
    scale_rate: bool = False
    """Multiply the learning rate by (newest + older rows) / newest rows of a full step, as the paper's code does."""

    def rate(self, data: FitData[Inputs]) -> float:
        if not self.scale_rate:
            return self.learning_rate
        newest = min(self.batch_size, len(self.places(data)))
        return self.learning_rate * (newest + self._num_replayed(newest, data)) / newest

    def outputs(self, step: Step) -> Outputs | None:
        """Newest rows, mixed, and older ones, as they are; None where no row is older."""
        import torch

        older = replace(step, labeled_B=self.replayed(step))
        if not len(older.labeled_B):
            return None
        inputs, targets_BK = self.batch(step)
        # One pass for both: a module that several processes share is called once a step.
        both = torch.cat([inputs, step.data.inputs.labeled(older.labeled_B, step.epoch)])
        logits = step.module(both).float()
        newest_BK, older_RK = logits[: len(inputs)], logits[len(inputs) :]
        self.count(step, newest_BK)
        older_targets_RK = step.data.task.targets(older.labels_B, step.data.num_classes, self.label_smoothing)
        return Outputs(newest_BK, targets_BK, older, older_RK, older_targets_RK)

    def newest(self, step: Step) -> NDArray[np.bool_]:
        return step.labeled_B >= num_older(step.data)

    def replayed(self, step: Step) -> Ids:
        """(R,) places of the different older rows that a step learns from: by default, drawn uniformly."""
        return drawn(step, self.num_replayed(step))

    def num_replayed(self, step: Step) -> int:
        """R: `older_per_newest` times as many as the step has newest rows, at least 1, or all older ones there are."""
        return self._num_replayed(len(step.labeled_B), step.data)

    def _num_replayed(self, newest: int, data: FitData[Inputs]) -> int:
        return min(max(1, round(self.older_per_newest * newest)), num_older(data))


def num_older(data: FitData[Inputs]) -> int:
    """How many labeled rows earlier rounds bought; they come first."""
    return data.previous[-1].num_labeled if data.previous else 0


def drawn(step: Step, count: int) -> Ids:
    """(min(count, older),) places of different older rows, drawn uniformly."""
    older = num_older(step.data)
    if not older:
        return np.empty(0, np.int64)
    # All processes of a parallel fit draw one number from their common stream, and each seeds a stream of its own with
    # it: their shares of a batch differ by a row, but they must keep drawing the same batches.
    drawing = np.random.default_rng([int(step.rng.integers(2**63)), step.device.rank])
    return drawing.choice(older, size=min(count, older), replace=False)


def logits_when_bought(data: FitData[Inputs]) -> State:
    """`then`, (O, K): the logits of each older row by the model of the round that bought it; {} in the first round.

    They are computed anew from that round's recorded model, in evaluation mode, and nothing later changes them.
    """
    import torch

    starts = [0, *(round_.num_labeled for round_ in data.previous)]
    then = [
        torch.from_numpy(data.logits(round_.tensors(), np.arange(start, round_.num_labeled)))
        for start, round_ in zip(starts, data.previous, strict=False)
    ]
    return {"then": torch.cat(then)} if then else {}


def unwrapped(module: nn.Module) -> nn.Module:
    """A step's module without what averages its gradients over processes: to look at rows without learning."""
    inner: nn.Module = getattr(module, "module", module)
    return inner

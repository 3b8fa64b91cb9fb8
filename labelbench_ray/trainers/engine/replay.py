"""Continual active learning (Das et al. 2023, arXiv 2305.06408): train on the newest rows, replay older ones.

The cost of a step does not grow with the number of labels, and an epoch passes over the newest rows only: that is what
a round saves. The first round has nothing to replay and is plain supervised training.
"""

from typing import ClassVar

import numpy as np

from labelbench_ray.plugins import Part
from labelbench_ray.trainers.engine.data import FitData, Inputs, PreviousRound, Tensors
from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.types import Ids


class Replay(Supervised):
    """A supervised trainer that begins with the last round's weights, and whose epochs pass over the newest rows."""

    tasks: ClassVar[tuple[str, ...]] = ("single_label",)

    @property
    def from_scratch(self) -> Part:
        return Part(name="supervised")

    def start(self, fresh: Tensors, previous: tuple[PreviousRound, ...]) -> Tensors:
        return previous[-1].tensors() if previous else fresh

    def places(self, data: FitData[Inputs]) -> Ids:
        return np.arange(num_older(data), len(data.labels_L))


def num_older(data: FitData[Inputs]) -> int:
    """How many labeled rows earlier rounds bought; they come first."""
    return data.previous[-1].num_labeled if data.previous else 0


def replayed(step: Step) -> Ids:
    """(R,) places of different older rows, drawn uniformly: as many as the step has newest ones, or all there are."""
    older = num_older(step.data)
    if not older:
        return np.empty(0, np.int64)
    # All processes of a parallel fit draw one number from their common stream, and each seeds a stream of its own with
    # it: their shares of a batch differ by a row, but they must keep drawing the same batches.
    drawing = np.random.default_rng([int(step.rng.integers(2**63)), step.device.rank])
    return drawing.choice(older, size=min(len(step.labeled_B), older), replace=False)

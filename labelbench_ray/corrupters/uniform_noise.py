"""Uniform label noise, as in LabelBench: a fixed share of the pool answers a uniformly random other class."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from labelbench_ray.corrupters import SeededCorrupter, TruePool
from labelbench_ray.types import Labels


class UniformNoise(SeededCorrupter):
    """Exactly int(fraction * N) rows, drawn without replacement; `seed=321` flips what LabelBench flips."""

    version: ClassVar[int] = 2
    """1: the seed was 321 for all trials."""
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.1

    def answers(self, pool: TruePool) -> Labels:
        labels_N, num_classes = pool.labels_N, len(pool.classes)
        rng = self.stream(pool) if self.seed is None else np.random.default_rng(self.seed)
        flipped_F = rng.choice(len(labels_N), int(self.fraction * len(labels_N)), replace=False)
        noisy_N = labels_N.copy()
        noisy_N[flipped_F] = (labels_N[flipped_F] + rng.integers(1, num_classes, len(flipped_F))) % num_classes
        return noisy_N

"""Uniform label noise, as in LabelBench: a fixed share of the pool answers a uniformly random other class."""

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt

from labelbench_ray.corrupters import Corrupter
from labelbench_ray.types import Labels


class UniformNoise(Corrupter):
    """Exactly int(fraction * N) rows, drawn without replacement; the same flips for all seeds and strategies."""

    fraction: Annotated[float, Field(ge=0, le=1)] = 0.1
    seed: NonNegativeInt = 321

    def corrupt(self, labels_N: Labels, num_classes: int) -> Labels:
        rng = np.random.default_rng(self.seed)
        flipped_F = rng.choice(len(labels_N), int(self.fraction * len(labels_N)), replace=False)
        noisy_N = labels_N.copy()
        noisy_N[flipped_F] = (labels_N[flipped_F] + rng.integers(1, num_classes, len(flipped_F))) % num_classes
        return noisy_N

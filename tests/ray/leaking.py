"""A trainer that takes a little more memory each time it looks at a batch, and never ends."""

import time

import numpy as np
from torch import Tensor

from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.supervised import Supervised

KEPT: list[np.ndarray] = []
MIB = 2**20


class Leaking(Supervised):
    """Keeps 128 MiB a tenth of a second, touched so that they are resident."""

    def loss(self, step: Step) -> Tensor:
        while True:
            KEPT.append(np.ones(128 * MIB // 8))
            time.sleep(0.1)

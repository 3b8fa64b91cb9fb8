"""Experience replay (CAL-ER of Das et al. 2023, arXiv 2305.06408)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from labelbench_ray.trainers.engine.replay import Replay
from labelbench_ray.trainers.engine.step import Step

if TYPE_CHECKING:
    from torch import Tensor


class ExperienceReplay(Replay):
    """Each step learns from newest rows and as many older ones, drawn uniformly, as `supervised` does from a batch.

    `batch_size` counts the newest rows. Smoothing and mixup apply to all, and mixup mixes newest rows with older ones.
    """

    teaches: ClassVar[str] = "nothing; the newest labeled rows, and as many older ones drawn at random"
    source: ClassVar[str] = "Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"

    def loss(self, step: Step) -> Tensor:
        return super().loss(replace(step, labeled_B=np.concatenate([step.labeled_B, self.replayed(step)])))

"""A trainer whose second worker is killed once, in the epoch after the first."""

import os
import signal
from pathlib import Path

from torch import Tensor

from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.supervised import Supervised


class Mortal(Supervised):
    """Writes down the epochs that its second worker begins; two of them where nobody dies twice."""

    diary: str

    def loss(self, step: Step) -> Tensor:
        diary = Path(self.diary)
        if step.device.rank == 1:
            with diary.open("a") as file:
                file.write(f"{step.epoch}\n")
            if diary.read_text() == "0\n1\n":
                os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(step)

"""The oracle of experiments on labeled data: it answers with the hidden labels, through the corrupter's noise."""

from typing import ClassVar

from labelbench_ray.oracles import Oracle, Question
from labelbench_ray.types import Ids


class Simulated(Oracle):
    """The data set's own labels, with the corrupter's noise."""

    needs_labels: ClassVar[bool] = True

    def answer(self, question: Question) -> Ids:
        assert question.labels_B is not None
        return question.labels_B

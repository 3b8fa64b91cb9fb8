"""The oracle of experiments on labeled data: it answers with the hidden labels, through the corrupter's noise."""

from typing import ClassVar

from labelbench_ray.oracles import Oracle, Question
from labelbench_ray.types import Labels


class Simulated(Oracle):
    """The data set's own labels, with the corrupter's noise."""

    needs_labels: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression")

    def answer(self, question: Question) -> Labels:
        assert question.labels_B is not None
        return question.labels_B

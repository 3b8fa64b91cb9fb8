"""No noise: annotators answer the truth."""

from typing import ClassVar

from labelbench_ray.corrupters import Corrupter
from labelbench_ray.types import Labels


class Clean(Corrupter):
    """The labels as they are."""

    baseline: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label", "regression", "response")

    def corrupt(self, labels_N: Labels, num_classes: int) -> Labels:
        return labels_N

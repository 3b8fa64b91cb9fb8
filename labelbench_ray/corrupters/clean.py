"""No noise: annotators answer the truth."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.corrupters import Corrupter


class Clean(Corrupter):
    """The labels as they are."""

    baseline: ClassVar[bool] = True

    def corrupt(self, labels_N: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
        return labels_N

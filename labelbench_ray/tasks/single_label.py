"""One class a row: labels are class numbers, models predict a softmax, accuracy decides."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from labelbench_ray.pool.distributions import CATEGORICAL, Distribution
from labelbench_ray.tasks import Task
from labelbench_ray.tasks import _single_label_metrics as metrics
from labelbench_ray.tasks._ranges import Range
from labelbench_ray.types import Floats, Ids, Labels

if TYPE_CHECKING:
    from torch import Tensor


class SingleLabel(Task):
    """Labels (N,) int64 in 0 .. K-1."""

    dtype: ClassVar[type[np.number[Any]]] = np.int64
    distribution: ClassVar[Distribution] = CATEGORICAL
    primary: ClassVar[str] = "Accuracy"
    counts_right_rows: ClassVar[bool] = True
    shown: ClassVar[tuple[str, ...]] = ("Test Accuracy", "Pool Accuracy", "Labeling Accuracy", "Balanced Test Accuracy")
    ranges: ClassVar[Mapping[str, Range]] = metrics.RANGES

    def shape(self, num_classes: int) -> tuple[int, ...]:
        return ()

    def to_json(self, labels_B: Labels) -> list[JsonValue]:
        return list(labels_B.tolist())

    def from_json(self, answers: Sequence[JsonValue], num_classes: int) -> Labels:
        return np.array(answers, np.int64)

    def made_up_labels(self, numbers_B: Ids, num_classes: int) -> Labels:
        return numbers_B % num_classes

    def is_label(self, labels_B: Labels, num_classes: int) -> NDArray[np.bool_]:
        inside_B: NDArray[np.bool_] = (labels_B >= 0) & (labels_B < num_classes)
        return inside_B

    def answer_rule(self, num_classes: int) -> str:
        return f"one class number for each row, 0 .. {num_classes - 1}"

    def class_counts(self, labels_N: Labels, num_classes: int) -> NDArray[np.int64]:
        return np.bincount(labels_N, minlength=num_classes)

    def in_words(self, column: Any, classes: Sequence[str]) -> Any:  # noqa: ANN401
        # Imported here, as torch below: every worker imports this file, and few need either.
        import pyarrow as pa
        import pyarrow.compute as pc

        # A row of the pool may have no label: -1, and no name.
        return pc.take(pa.array(["", *classes], pa.large_string()), pc.add(column, 1))

    def targets(self, labels_B: "Tensor", num_classes: int, smoothing: float) -> "Tensor":
        """(1 - smoothing) * one-hot + smoothing / K."""
        from torch.nn.functional import one_hot

        return one_hot(labels_B, num_classes).float() * (1 - smoothing) + smoothing / num_classes

    def loss(self, logits_BK: "Tensor", targets_BK: "Tensor") -> "Tensor":
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits_BK, targets_BK)

    def validated(self, logits_VK: "Tensor", labels_V: "Tensor") -> tuple[float, float]:
        right_V = logits_VK.argmax(dim=1) == labels_V
        return float(right_V.float().mean()), float(self.loss(logits_VK, labels_V))

    def tally(self, probabilities_BK: Floats, labels_B: Labels) -> metrics.Tally:
        return metrics.tally(probabilities_BK, labels_B)

    def of_split(self, split: str, counts: metrics.Tally) -> dict[str, float]:
        return metrics.of_split(split, counts)

    def of_labeled(self, true_L: Labels, num_classes: int) -> dict[str, float]:
        return metrics.of_labeled(true_L, num_classes)

    def right_answers(self, probabilities_BK: Floats, labels_B: Labels) -> NDArray[np.int64]:
        right_B: NDArray[np.int64] = (probabilities_BK.argmax(axis=1) == labels_B).astype(np.int64)
        return right_B

    def labeling_accuracy(self, pool: metrics.Tally, labeled_right: int, bought_L: Labels, true_L: Labels) -> float:
        return metrics.labeling_accuracy(pool, labeled_right, bought_L, true_L)


SINGLE_LABEL: Final = SingleLabel()

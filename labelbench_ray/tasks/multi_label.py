"""Several classes a row: labels are rows of a 0/1 matrix, models predict a sigmoid for each class, mAP decides."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from labelbench_ray.pool.distributions import BERNOULLI, Distribution
from labelbench_ray.tasks import Task
from labelbench_ray.tasks import _multi_label_metrics as metrics
from labelbench_ray.tasks._ranges import Range
from labelbench_ray.types import Floats, Ids, Labels

if TYPE_CHECKING:
    from torch import Tensor

POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1


class MultiLabel(Task):
    """Labels (N, K) int8: 1 where the class is there, 0 where it is not, -1 where that is unknown.

    What is unknown teaches nothing and is not measured.
    """

    dtype: ClassVar[type[np.number[Any]]] = np.int8
    distribution: ClassVar[Distribution] = BERNOULLI
    bytes_per_row_and_class: ClassVar[int] = 5
    primary: ClassVar[str] = "mAP"
    shown: ClassVar[tuple[str, ...]] = ("Test mAP", "Pool mAP", "Labeling Accuracy", "Test Class Average F1")
    ranges: ClassVar[Mapping[str, Range]] = metrics.RANGES

    def shape(self, num_classes: int) -> tuple[int, ...]:
        return (num_classes,)

    def to_json(self, labels_B: Labels) -> list[JsonValue]:
        """`{"positive": [3, 7]}`, and `"unknown": [...]` where there are such entries."""
        return [_answer(row_K) for row_K in labels_B]

    def from_json(self, answers: Sequence[JsonValue], num_classes: int) -> Labels:
        labels_BK = np.zeros((len(answers), num_classes), np.int8)
        for row_K, answer in zip(labels_BK, answers, strict=True):
            assert isinstance(answer, dict), answer
            for name, value in (("positive", POSITIVE), ("unknown", UNKNOWN)):
                row_K[np.array(answer.get(name, []), np.int64)] = value
        return labels_BK

    def made_up_labels(self, numbers_B: Ids, num_classes: int) -> Labels:
        return np.eye(num_classes, dtype=np.int8)[numbers_B % num_classes]

    def is_label(self, labels_B: Labels, num_classes: int) -> NDArray[np.bool_]:
        allowed_BK = np.isin(labels_B, (POSITIVE, NEGATIVE, UNKNOWN))
        return np.asarray(allowed_BK.all(axis=1), np.bool_)

    def answer_rule(self, num_classes: int) -> str:
        return f"{num_classes} entries for each row, 1, 0 or -1 (unknown)"

    def class_counts(self, labels_N: Labels, num_classes: int) -> NDArray[np.int64]:
        counts_K: NDArray[np.int64] = (labels_N == POSITIVE).sum(axis=0)
        return counts_K

    def in_words(self, column: Any, classes: Sequence[str]) -> Any:  # noqa: ANN401
        import pyarrow as pa  # as in single_label

        words = [None if label is None else _named(label, classes) for label in column.to_pylist()]
        return pa.array(words, pa.large_string())

    def targets(self, labels_B: "Tensor", num_classes: int, smoothing: float) -> "Tensor":
        """(1 - smoothing) * label + smoothing / 2; NaN where unknown, which it stays when mixed with a known entry."""
        targets_BK = labels_B.float() * (1 - smoothing) + smoothing / 2
        return targets_BK.masked_fill(labels_B == UNKNOWN, float("nan"))

    def loss(self, logits_BK: "Tensor", targets_BK: "Tensor") -> "Tensor":
        """Binary cross-entropy, a mean over the known entries; 0 where none is known."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        known_BK = ~targets_BK.isnan()
        losses_BK = binary_cross_entropy_with_logits(logits_BK, targets_BK.nan_to_num(), reduction="none")
        return (losses_BK * known_BK).sum() / known_BK.sum().clamp(min=1)

    def validated(self, logits_VK: "Tensor", labels_V: "Tensor") -> tuple[float, float]:
        loss = self.loss(logits_VK, self.targets(labels_V, logits_VK.shape[1], smoothing=0.0))
        return metrics.mean_average_precision(logits_VK.float().cpu().numpy(), labels_V.cpu().numpy()), float(loss)

    def tally(self, probabilities_BK: Floats, labels_B: Labels) -> metrics.Tally:
        return metrics.tally(probabilities_BK, labels_B)

    def of_split(self, split: str, counts: metrics.Tally) -> dict[str, float]:
        return metrics.of_split(split, counts)

    def of_labeled(self, true_L: Labels, num_classes: int) -> dict[str, float]:
        return metrics.of_labeled(true_L)

    def right_answers(self, probabilities_BK: Floats, labels_B: Labels) -> NDArray[np.int64]:
        return metrics.right_answers(probabilities_BK, labels_B)

    def labeling_accuracy(self, pool: metrics.Tally, labeled_right: int, bought_L: Labels, true_L: Labels) -> float:
        return metrics.labeling_accuracy(pool, labeled_right, bought_L, true_L)


def _named(label: Sequence[int], classes: Sequence[str]) -> str:
    """`bus, dog, car (unknown)`."""
    positive, unknown = (
        sorted(classes[place] for place, each in enumerate(label) if each == value) for value in (POSITIVE, UNKNOWN)
    )
    return ", ".join([*positive, *(f"{name} (unknown)" for name in unknown)])


def _answer(label_K: Labels) -> JsonValue:
    places: dict[str, JsonValue] = {
        name: list(np.flatnonzero(label_K == value).tolist())
        for name, value in (("positive", POSITIVE), ("unknown", UNKNOWN))
    }
    return {name: value for name, value in places.items() if value or name == "positive"}

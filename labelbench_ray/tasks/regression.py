"""One number a row: answers are float64, models predict a number, R2 decides."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from labelbench_ray.pool.distributions import REAL, Distribution
from labelbench_ray.tasks import Task
from labelbench_ray.tasks import _regression_metrics as metrics
from labelbench_ray.tasks._ranges import Range
from labelbench_ray.types import Floats, Ids, Labels

if TYPE_CHECKING:
    from torch import Tensor


class Regression(Task):
    """Labels (N,) float64, finite; NaN for a row without an answer. Its one class is the name of what is predicted."""

    dtype: ClassVar[type[np.number[Any]]] = np.float64
    distribution: ClassVar[Distribution] = REAL
    fewest_classes: ClassVar[int] = 1
    primary: ClassVar[str] = "R2"
    shown: ClassVar[tuple[str, ...]] = ("Test R2", "Pool R2")
    ranges: ClassVar[Mapping[str, Range]] = metrics.RANGES

    def shape(self, num_classes: int) -> tuple[int, ...]:
        return ()

    def to_json(self, labels_B: Labels) -> list[JsonValue]:
        """Numbers; JSON keeps all digits of a float64."""
        return list(labels_B.tolist())

    def from_json(self, answers: Sequence[JsonValue], num_classes: int) -> Labels:
        return np.array(answers, np.float64)

    def made_up_labels(self, numbers_B: Ids, num_classes: int) -> Labels:
        return numbers_B.astype(np.float64)

    def is_label(self, labels_B: Labels, num_classes: int) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(labels_B), np.bool_)

    def answer_rule(self, num_classes: int) -> str:
        return "one finite number for each row"

    def class_counts(self, labels_N: Labels, num_classes: int) -> NDArray[np.int64]:
        """All rows that have an answer count as of the one class."""
        return np.array([np.isfinite(labels_N).sum()], np.int64)

    def described(self, labels_N: Labels) -> str:
        return f"answers from {labels_N.min():g} to {labels_N.max():g}, mean {labels_N.mean():g}"

    def in_words(self, column: Any, classes: Sequence[str]) -> Any:  # noqa: ANN401
        import pyarrow as pa  # as in single_label

        return column.cast(pa.large_string())

    def targets(self, labels_B: "Tensor", num_classes: int, smoothing: float) -> "Tensor":
        """The answers themselves: there is nothing to smooth."""
        return labels_B.float()[:, None]

    def loss(self, logits_BK: "Tensor", targets_BK: "Tensor") -> "Tensor":
        """The mean squared error."""
        from torch.nn.functional import mse_loss

        return mse_loss(logits_BK, targets_BK)

    def validated(self, logits_VK: "Tensor", labels_V: "Tensor") -> tuple[float, float]:
        """R2, or minus the loss where all answers are equal; and the loss."""
        counts = metrics.tally(logits_VK.float().cpu().numpy(), labels_V.cpu().numpy())
        loss = metrics.mean_squared_error(counts)
        return metrics.r2(counts, otherwise=-loss), loss

    def tally(self, probabilities_BK: Floats, labels_B: Labels) -> metrics.Tally:
        return metrics.tally(probabilities_BK, labels_B)

    def of_split(self, split: str, counts: metrics.Tally) -> dict[str, float]:
        return metrics.of_split(split, counts)

    def of_labeled(self, true_L: Labels, num_classes: int) -> dict[str, float]:
        return metrics.of_labeled(true_L)

    def right_answers(self, probabilities_BK: Floats, labels_B: Labels) -> NDArray[np.int64]:
        """None: a predicted number is near or far, not right or wrong."""
        return np.zeros(len(labels_B), np.int64)

    def labeling_accuracy(self, pool: Any, labeled_right: int, bought_L: Labels, true_L: Labels) -> None:  # noqa: ANN401
        """Not known, as `right_answers`."""

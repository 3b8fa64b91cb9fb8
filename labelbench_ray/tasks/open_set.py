"""One class a row, or none: rows that are out of scope are answered with "none of these"."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from labelbench_ray.tasks import _single_label_metrics as metrics
from labelbench_ray.tasks.single_label import SingleLabel
from labelbench_ray.types import Floats, Labels

NONE_OF_THESE: Final = -2
"""In place of a class number for a row that is of none of the classes; null in a ledger."""
NAME: Final = "none of these"


class OpenSet(SingleLabel):
    """Labels (N,) int64: 0 .. K-1, or `NONE_OF_THESE`.

    Such an answer costs as much as any other and teaches nothing: models never learn from it, strategies do not see the
    row again, and metrics of the pool leave it out. Rows that measure are all of one of the classes.
    """

    answers_every_row: ClassVar[bool] = False
    further_answers: ClassVar[Mapping[str, int]] = {NAME: NONE_OF_THESE}

    def teaches(self, labels_B: Labels) -> NDArray[np.bool_]:
        teaches_B: NDArray[np.bool_] = labels_B != NONE_OF_THESE
        return teaches_B

    def to_json(self, labels_B: Labels) -> list[JsonValue]:
        return [None if label == NONE_OF_THESE else label for label in labels_B.tolist()]

    def from_json(self, answers: Sequence[JsonValue], num_classes: int) -> Labels:
        return np.array([NONE_OF_THESE if answer is None else answer for answer in answers], np.int64)

    def is_label(self, labels_B: Labels, num_classes: int) -> NDArray[np.bool_]:
        return super().is_label(labels_B, num_classes) | ~self.teaches(labels_B)

    def answer_rule(self, num_classes: int) -> str:
        return f"{super().answer_rule(num_classes)}, or {NONE_OF_THESE} for none of the classes"

    def class_counts(self, labels_N: Labels, num_classes: int) -> NDArray[np.int64]:
        return super().class_counts(labels_N[self.teaches(labels_N)], num_classes)

    def in_words(self, column: Any, classes: Sequence[str]) -> Any:  # noqa: ANN401
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.take(pa.array([NAME, "", *classes], pa.large_string()), pc.add(column, -NONE_OF_THESE))

    def tally(self, probabilities_BK: Floats, labels_B: Labels) -> metrics.Tally:
        teaches_B = self.teaches(labels_B)
        return super().tally(probabilities_BK[teaches_B], labels_B[teaches_B])

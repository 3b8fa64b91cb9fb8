"""Label noise by a matrix: what annotators answer for each class, such as one estimated from people's answers."""

from collections.abc import Sequence
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from labelbench_ray.corrupters._transitions import Transitions
from labelbench_ray.errors import ConfigError

TOLERANCE: Final = 1e-6
"""How far a row's sum may be from 1."""


class ClassConditional(Transitions):
    """Row c of the matrix has the probabilities of each answer for a row of class c, in the order of the classes."""

    matrix: Annotated[tuple[tuple[Annotated[float, Field(ge=0, le=1)], ...], ...], Field(min_length=2)]
    """K rows of K numbers in 0 .. 1; each row sums to 1."""

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        for number, row in enumerate(self.matrix):
            if len(row) != len(self.matrix):
                raise ValueError(
                    f"matrix: row {number} has {len(row)} entries, and there are {len(self.matrix)} rows; give one "
                    "entry for each class"
                )
            if abs(sum(row) - 1) > TOLERANCE:
                raise ValueError(f"matrix: row {number} sums to {sum(row):.6g}; divide it by its sum, so that it is 1")
        return self

    def matrix_of(self, classes: Sequence[str]) -> NDArray[np.float64]:
        return np.array(self.matrix, np.float64)

    def check(self, classes: Sequence[str]) -> None:
        if len(classes) != len(self.matrix):
            raise ConfigError(
                f"corrupter class_conditional: matrix: {len(self.matrix)} rows, and the data set has {len(classes)} "
                "classes; give one row for each, in the order of the classes"
            )

    def classes_to_try(self) -> tuple[str, ...]:
        return tuple(map(str, range(len(self.matrix))))

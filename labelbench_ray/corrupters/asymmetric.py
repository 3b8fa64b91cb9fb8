"""Asymmetric label noise: named classes are taken for named others."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from labelbench_ray.corrupters._transitions import Transitions
from labelbench_ray.errors import ConfigError, unknown

NAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "cifar10": {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
}
"""The maps of the literature, by data set."""


class Asymmetric(Transitions):
    """A row of a class in `flips` gets the answer that is named there with probability `rate`; other classes are clean.

    So the noise of the whole pool is `rate` times the share of the rows of these classes.
    """

    flips: Literal["cifar10"] | dict[str, str] = "cifar10"
    """A class for each class that is mistaken, by their names, or "cifar10": truck for automobile, bird for airplane,
    deer for horse, cat and dog for one another."""
    rate: Annotated[float, Field(ge=0, le=1)] = 0.2

    @property
    def mistaken(self) -> Mapping[str, str]:
        """The class that each mistaken class is taken for."""
        return NAMED[self.flips] if isinstance(self.flips, str) else self.flips

    @model_validator(mode="after")
    def _check_flips(self) -> Self:
        same = [name for name, other in self.mistaken.items() if name == other]
        if same or not self.mistaken:
            found = f"{same[0]!r} is taken for itself" if same else "no class is named"
            raise ValueError(f'flips: {found}; name two classes, as in {{"cat": "dog"}}')
        return self

    def matrix_of(self, classes: Sequence[str]) -> NDArray[np.float64]:
        matrix_KK = np.eye(len(classes))
        for name, other in self.mistaken.items():
            label, answer = classes.index(name), classes.index(other)
            matrix_KK[label, label] = 1 - self.rate
            matrix_KK[label, answer] = self.rate
        return matrix_KK

    def check(self, classes: Sequence[str]) -> None:
        for name in (each for pair in self.mistaken.items() for each in pair):
            if name not in classes:
                raise ConfigError(f"corrupter asymmetric: flips: {unknown('class', name, classes)}")

    def classes_to_try(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each for pair in self.mistaken.items() for each in pair))

"""A trial without a proxy: nothing is fitted, and its views have embeddings and facts alone."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.pool.distributions import Distribution
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.trainers import Tensors
from labelbench_ray.trial.fit_light import FitRequest, OpenView, TrainedModel
from labelbench_ray.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Untrained:
    """The model before the first round: all answers are equally likely, features are the standardized embeddings."""

    num_classes: int
    distribution: Distribution
    standardization: Standardization

    def probabilities(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, K) float32, all the same."""
        return self.distribution.uninformed(len(raw_BD), self.num_classes)

    def features(self, raw_BD: NDArray[Any]) -> Floats:
        """(B, D) float32."""
        return self.standardization.apply(raw_BD)


def untrained(embedded: Embedded) -> Untrained:
    """The model before the first round of a trial on these embeddings."""
    return Untrained(len(embedded.classes), embedded.task.distribution, embedded.standardization)


@dataclass(frozen=True, slots=True, eq=False)
class NoFitter:
    """Fits nothing (a `Fitter`)."""

    embedded: Embedded
    open_view: OpenView
    gpus: float = 0.0
    validation_labels: int = 0

    def fit(self, request: FitRequest) -> Tensors:
        """No tensors."""
        return {}

    def open(self, tensors: Tensors) -> TrainedModel:
        """The model before the first round."""
        return TrainedModel(untrained(self.embedded), self.embedded, self.open_view)

"""Multinomial logistic regression: full batch, deterministic, L-BFGS (scikit-learn's solver)."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from sklearn.linear_model import LogisticRegression

from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer

ABSENT_BIAS = -100.0


class Logistic(Trainer):
    """Minimizes mean cross-entropy + l2 / 2 * ||weights||^2; the bias is free."""

    uses_validation: ClassVar[bool] = False
    l2: PositiveFloat = 1e-3
    max_iterations: PositiveInt = 1000

    def check(self, proxy: Proxy) -> None:
        if not isinstance(proxy, Linear):
            raise ConfigError(
                f"trainer: logistic fits the proxy 'linear' only, not {type(proxy).__module__.rpartition('.')[2]!r}; "
                "use the trainer 'supervised'"
            )

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
        inputs_LD, labels_L = data.inputs.labeled_LD, data.labels_L.numpy()
        present = np.unique(labels_L)
        weight_DK = np.zeros((inputs_LD.shape[1], data.num_classes), np.float32)
        # A class without labels: its free bias would go to minus infinity, so it gets no probability.
        bias_K = np.full(data.num_classes, ABSENT_BIAS, np.float32)
        if len(present) == 1:
            bias_K[present] = 0
        else:
            weight_DK[:, present], bias_K[present] = self._solve(inputs_LD, labels_L)
        return Classifier(data.inputs.standardization, ((weight_DK, bias_K),))

    def _solve(
        self, inputs_LD: NDArray[np.float32], labels_L: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Two classes are fitted as one sigmoid of weights w, and softmax takes the columns +-w / 2, whose squares sum
        # to w**2 / 2: half the penalty on w is the stated penalty on the columns.
        l2 = self.l2 / 2 if len(np.unique(labels_L)) == 2 else self.l2
        solver = LogisticRegression(C=1 / (l2 * len(labels_L)), max_iter=self.max_iterations, tol=1e-4)
        solver.fit(inputs_LD, labels_L)
        weight_DK, bias_K = solver.coef_.T, solver.intercept_
        if len(bias_K) > 1:
            return weight_DK, bias_K
        return np.hstack([-weight_DK / 2, weight_DK / 2]), np.concatenate([-bias_K / 2, bias_K / 2])

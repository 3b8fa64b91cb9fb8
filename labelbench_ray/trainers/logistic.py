"""Logistic regression: full batch, deterministic, L-BFGS (scikit-learn's solver).

Multinomial where a row is of one class; where classes are independent, one regression a class on its known rows.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL, Distribution
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer
from labelbench_ray.trainers.engine.data import Work
from labelbench_ray.types import Labels

ABSENT_BIAS = -100.0
Weights = NDArray[np.float64] | None


class Logistic(Trainer):
    """Minimizes mean cross-entropy + l2 / 2 * ||weights||^2; the bias is free.

    Of independent classes, one whose known rows all have the same answer gets it with probability (n + 1) / (n + 2) in
    every row, n being their number (Laplace's rule of succession).
    """

    teaches: ClassVar[str] = "nothing; L-BFGS, linear proxies only"
    source: ClassVar[str] = "scikit-learn"
    tasks: ClassVar[tuple[str, ...]] = ("single_label", "multi_label")
    weighs: ClassVar[tuple[Distribution, ...]] = (CATEGORICAL, BERNOULLI)
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
        fit = self._softmax if data.task.distribution == CATEGORICAL else self._sigmoids
        passes = list[Work]()
        layer = fit(data.inputs.labeled_LD, data.answers_L, data.weights_L, data.num_classes, passes)
        data.on_work(Work(max((each.epochs for each in passes), default=0), sum(each.row_passes for each in passes)))
        return Classifier(data.inputs.standardization, (layer,), data.task.distribution)

    def _softmax(
        self, inputs_LD: NDArray[np.float32], labels_L: Labels, weights_L: Weights, num_classes: int, passes: list[Work]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        present = np.unique(labels_L)
        weight_DK = np.zeros((inputs_LD.shape[1], num_classes), np.float32)
        # A class without labels: its free bias would go to minus infinity, so it gets no probability.
        bias_K = np.full(num_classes, ABSENT_BIAS, np.float32)
        if len(present) == 1:
            bias_K[present] = 0
        else:
            weight_DK[:, present], bias_K[present] = self._columns(inputs_LD, labels_L, weights_L, passes)
        return weight_DK, bias_K

    def _sigmoids(
        self,
        inputs_LD: NDArray[np.float32],
        labels_LK: Labels,
        weights_L: Weights,
        num_classes: int,
        passes: list[Work],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weight_DK = np.zeros((inputs_LD.shape[1], num_classes), np.float32)
        bias_K = np.zeros(num_classes, np.float32)
        for place, label_L in enumerate(labels_LK.T):
            known_L = label_L >= 0
            known_weights_X = None if weights_L is None else weights_L[known_L]
            positive, negative = int((label_L == 1).sum()), int((label_L == 0).sum())
            if positive and negative:
                weight_DX, bias_X = self._solve(inputs_LD[known_L], label_L[known_L], known_weights_X, self.l2, passes)
                weight_DK[:, place], bias_K[place] = weight_DX[:, 0], bias_X[0]
            else:
                bias_K[place] = np.log((positive + 1) / (negative + 1))
        return weight_DK, bias_K

    def _columns(
        self, inputs_LD: NDArray[np.float32], labels_L: Labels, weights_L: Weights, passes: list[Work]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Two classes are fitted as one sigmoid of weights w, and softmax takes the columns +-w / 2, whose squares sum
        # to w**2 / 2: half the penalty on w is the stated penalty on the columns.
        l2 = self.l2 / 2 if len(np.unique(labels_L)) == 2 else self.l2
        weight_DK, bias_K = self._solve(inputs_LD, labels_L, weights_L, l2, passes)
        if len(bias_K) > 1:
            return weight_DK, bias_K
        return np.hstack([-weight_DK / 2, weight_DK / 2]), np.concatenate([-bias_K / 2, bias_K / 2])

    def _solve(
        self, inputs_LD: NDArray[np.float32], labels_L: Labels, weights_L: Weights, l2: float, passes: list[Work]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights and biases of the classes that there are; of two classes, those of the second one's sigmoid."""
        from sklearn.linear_model import LogisticRegression

        total = len(labels_L) if weights_L is None else weights_L.sum()
        solver = LogisticRegression(C=1 / (l2 * total), max_iter=self.max_iterations, tol=1e-4)
        solver.fit(inputs_LD, labels_L, sample_weight=weights_L)
        # L-BFGS computes the loss and its gradient over all rows at least once an iteration.
        iterations = int(solver.n_iter_.max())
        passes.append(Work(iterations, 3 * iterations * len(labels_L)))
        return solver.coef_.T, solver.intercept_

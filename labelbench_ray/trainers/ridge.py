"""Ridge regression: linear, in closed form, for answers that are numbers."""

from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat

from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.distributions import REAL, Distribution
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer
from labelbench_ray.trainers.engine.data import Work


class Ridge(Trainer):
    """Minimizes the mean squared error + l2 * ||weights||^2; the bias is free."""

    teaches: ClassVar[str] = "nothing; closed form, linear proxies only"
    source: ClassVar[str] = "textbook"
    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    weighs: ClassVar[tuple[Distribution, ...]] = (REAL,)
    uses_validation: ClassVar[bool] = False
    l2: PositiveFloat = 1e-3

    def check(self, proxy: Proxy) -> None:
        if not isinstance(proxy, Linear):
            raise ConfigError(
                f"trainer: ridge fits the proxy 'linear' only, not {type(proxy).__module__.rpartition('.')[2]!r}; use "
                "that proxy"
            )

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
        inputs_LD, answers_L = data.inputs.labeled_LD.astype(np.float64), data.answers_L
        weights_L, rows = data.weights_L, len(answers_L)
        center_D, mean = (np.average(each, axis=0, weights=weights_L) for each in (inputs_LD, answers_L))
        inputs_LD -= center_D
        counted_LD = inputs_LD if weights_L is None else inputs_LD * weights_L[:, None]
        gram_DD = counted_LD.T @ inputs_LD / rows + self.l2 * np.eye(inputs_LD.shape[1])
        weight_D = np.linalg.solve(gram_DD, counted_LD.T @ (answers_L - mean) / rows)
        layer = (weight_D[:, None].astype(np.float32), np.array([mean - center_D @ weight_D], np.float32))
        data.on_work(Work(1, rows))
        return Classifier(data.inputs.standardization, (layer,), data.task.distribution)

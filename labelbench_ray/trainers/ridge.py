"""Ridge regression: linear, in closed form, for answers that are numbers."""

from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat

from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer
from labelbench_ray.trainers.engine.data import Work


class Ridge(Trainer):
    """Minimizes the mean squared error + l2 * ||weights||^2; the bias is free."""

    teaches: ClassVar[str] = "nothing; closed form, linear proxies only"
    source: ClassVar[str] = "textbook"
    tasks: ClassVar[tuple[str, ...]] = ("regression",)
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
        center_D, mean = inputs_LD.mean(axis=0), answers_L.mean()
        inputs_LD -= center_D
        rows = len(answers_L)
        gram_DD = inputs_LD.T @ inputs_LD / rows + self.l2 * np.eye(inputs_LD.shape[1])
        weight_D = np.linalg.solve(gram_DD, inputs_LD.T @ (answers_L - mean) / rows)
        layer = (weight_D[:, None].astype(np.float32), np.array([mean - center_D @ weight_D], np.float32))
        data.on_work(Work(1, rows))
        return Classifier(data.inputs.standardization, (layer,), data.task.distribution)

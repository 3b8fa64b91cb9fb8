"""No training method: for trials without a proxy, and for proxies that bring a fit of their own."""

from typing import ClassVar, NoReturn

from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy, SelfFitted
from labelbench_ray.proxies.none import NoProxy
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer


class NoTrainer(Trainer):
    """Trains nothing: no proxy of embeddings predicts the answers, or the proxy fits itself in closed form."""

    teaches: ClassVar[str] = "nothing; `multitask_linear` fits itself"
    tasks: ClassVar[tuple[str, ...]] = ("response", "single_label", "regression")
    uses_validation: ClassVar[bool] = False

    def check(self, proxy: Proxy) -> None:
        if not isinstance(proxy, NoProxy | SelfFitted):
            raise ConfigError(
                f"trainer none: cannot train the proxy {type(proxy).__name__}; use the proxy 'none', "
                "'multitask_linear' or 'gradient_boosting' with it, a trainer such as 'logistic', or the trainer 'sft' "
                "for language models"
            )

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> NoReturn:
        raise AssertionError("a trial without a proxy, or with one that fits itself, is not given to a trainer")

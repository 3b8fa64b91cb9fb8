"""No training in rounds, for trials without a proxy."""

from typing import ClassVar, NoReturn

from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Proxy
from labelbench_ray.proxies.none import NoProxy
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer


class NoTrainer(Trainer):
    """Trains nothing, for tasks whose answers no proxy of embeddings predicts."""

    tasks: ClassVar[tuple[str, ...]] = ("response",)
    uses_validation: ClassVar[bool] = False

    def check(self, proxy: Proxy) -> None:
        if not isinstance(proxy, NoProxy):
            raise ConfigError(
                f"trainer none: cannot train the proxy {type(proxy).__name__}; use the proxy 'none' with it, or the "
                "trainer 'sft' to fine-tune a language model"
            )

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> NoReturn:
        raise AssertionError("a trial without a proxy fits nothing")

"""Where a trained model scores the pool: on the CPU by numpy, or on a torch device."""

from dataclasses import dataclass
from typing import Final

from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import Classifier
from labelbench_ray.types import Model

ON_CPU: Final = "cpu"


@dataclass(frozen=True, slots=True)
class ScoringDevice:
    """A torch device that scores the pool."""

    name: str
    gpus: float
    """GPUs that a trial holds for it."""

    def check(self) -> None:
        """Refuse a GPU that this machine does not have."""
        import torch

        if torch.device(self.name).type == "cuda" and not torch.cuda.is_available():
            raise ConfigError(f"--score-on {self.name}: torch sees no GPU on this machine; leave it out")

    def place(self, model: Model) -> Model:
        """The same model on the device; a model that is not a classifier of embeddings stays where it is."""
        return model.on(self.name) if isinstance(model, Classifier) else model

    def scores(self, model: Model) -> str:
        """The device's name where it scores this model, "" for a model that stays where it is."""
        return self.name if isinstance(model, Classifier) else ""


def scoring_device(environment: Environment) -> ScoringDevice | None:
    """The device that an environment names; None for the CPU."""
    if environment.score_on == ON_CPU:
        return None
    return ScoringDevice(environment.score_on, environment.gpus_per_trial or 1.0)


def scorer_gpus(environment: Environment) -> float:
    """GPUs that each scorer reserves: where models score on a GPU, as many as the trial's own process."""
    return environment.gpus_per_trial if scoring_device(environment) else 0.0


def check_scoring(environment: Environment) -> None:
    """Refuse a device that trials cannot have, as far as the command's machine can know.

    Raises:
        ConfigError: Ray's workers would see no GPU, or trials run on this machine and it has none.
    """
    device = scoring_device(environment)
    if device is None:
        return
    if environment.executor == "ray" and not environment.gpus_per_trial:
        raise ConfigError(
            f"--score-on {device.name}: a trial reserves no GPU, so Ray shows it none; add --gpus-per-trial, for "
            "example 0.25"
        )
    if environment.address is None:
        device.check()

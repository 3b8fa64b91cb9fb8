"""Full models in a plan: parts that do not fit together, and fine-tunes that are done or missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from labelbench_ray.config import vary
from labelbench_ray.encoders import Encoder, trainable
from labelbench_ray.errors import ConfigError, NotProvidedError
from labelbench_ray.ledger.finetunes import FOLDER
from labelbench_ray.ledger.state import FineTuneProgress, finetune_progress
from labelbench_ray.proxies import Tunable
from labelbench_ray.trainers import Trainer
from labelbench_ray.trainers.engine.descent import Gradient
from labelbench_ray.trial import parts
from labelbench_ray.trial.parts import Parts, budgets, check_full


@dataclass(frozen=True, slots=True)
class PlannedTuning:
    """A trial's fine-tune at all budgets that the experiment asks for."""

    parts: Parts
    trial: Path
    """The folder of the trial's ledger."""
    budgets: tuple[int, ...]
    progress: FineTuneProgress

    @property
    def missing(self) -> tuple[int, ...]:
        """The budgets at which the model is not trained yet."""
        return tuple(budget for budget in self.budgets if budget not in self.progress.records)

    @property
    def directory(self) -> Path:
        """The folder of its records."""
        return _directory(self.parts, self.trial)


def planned_tunings(built: Iterable[Parts], directories: Mapping[str, Path]) -> tuple[PlannedTuning, ...]:
    """The fine-tunes of an experiment: those of one trial with the same model and trainer are one.

    Args:
        directories: the folder of each trial's ledger, by fingerprint.
    """
    together: dict[tuple[str, str], list[Parts]] = {}
    for each in built:
        if each.tuning:
            together.setdefault((each.fingerprint, each.tuning.fingerprint), []).append(each)
    return tuple(_planned(same, directories[same[0].fingerprint]) for same in together.values())


def check_full_models(built: Parts, classes: tuple[str, ...] | None) -> None:
    """Refuse full models that cannot be built or trained; reads their weights if they are here.

    Raises:
        ConfigError: class names, a head, a batch or a budget that does not fit.
        DataError: a weights file of another model.
    """
    check_full(built, classes)
    trial = built.trial
    if built.proxy.trains_encoder:
        _check_batch(f"trial {trial.strategy} seed {trial.seed}: round 0", built.trainer, trial.budget)
    for budget in budgets(built):
        if budget > trial.rounds * trial.budget:
            raise ConfigError(
                f"trial {trial.strategy} seed {trial.seed}: a fine-tune on {budget} labels is asked for, "
                f"{trial.rounds} rounds of {trial.budget} buy {trial.rounds * trial.budget}; lower `finetune.budgets` "
                "or raise `rounds`"
            )
        assert built.tuning is not None
        _check_batch(f"trial {trial.strategy} seed {trial.seed}: the fine-tune", built.tuning.trainer, budget)
        if budget < trial.budget:
            _check_without_proxy(built.tuning.model, built.encoder, classes, budget, trial.budget)
    if built.full_models:
        _check_network(built.encoder)


def _check_batch(where: str, trainer: Trainer, labels: int) -> None:
    if not isinstance(trainer, Gradient):
        return  # a language model's last batch may be smaller
    size = trainer.method(()).batch_size
    if size > labels:
        raise ConfigError(
            f"{where} has {labels} labels, fewer than a batch of {size}; lower the trainer's `batch_size`"
        )


def _check_without_proxy(
    model: Tunable, encoder: Encoder, classes: tuple[str, ...] | None, budget: int, first: int
) -> None:
    try:
        model.check(encoder, classes, None)
    except ConfigError as error:
        raise ConfigError(
            f"a fine-tune on {budget} labels is asked for, and the first proxy is trained on {first}: {error}; or "
            f"raise `finetune.budgets` to {first} at least"
        ) from error


@cache
def _check_network(encoder: Encoder) -> None:
    try:
        encoder.weights()
    except NotProvidedError:
        return  # the plan lists what is missing, and `labelbench run` fetches it, as `network` would
    trainable(encoder).network()


def _directory(built: Parts, trial: Path) -> Path:
    assert built.tuning is not None
    return trial / FOLDER / built.tuning.fingerprint


def _planned(same: list[Parts], trial: Path) -> PlannedTuning:
    wanted = tuple(sorted({budget for each in same for budget in budgets(each)}))
    longest = max(same, key=lambda each: each.trial.rounds)
    assert longest.tuning is not None
    merged = vary(longest.trial, finetune=longest.tuning.recipe.model_copy(update={"budgets": wanted}))
    return PlannedTuning(parts.build(merged), trial, wanted, finetune_progress(_directory(longest, trial), wanted))

"""A trial's plug-ins, built; and the fingerprints that name its results.

A fingerprint hashes the recipe: names, declared versions and all settings, defaults included. It needs no data to
be there. `rounds` is left out, since more rounds continue the same fold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from labelbench_ray import (
    augmentations,
    corrupters,
    datasets,
    encoders,
    oracles,
    plugins,
    proxies,
    strategies,
    tasks,
    trainers,
)
from labelbench_ray.config import SIMULATED, FineTune, Trial, digest
from labelbench_ray.embeddings.finished import StoreRecipe
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.tasks import Task
from labelbench_ray.trainers.engine.descent import Gradient
from labelbench_ray.trainers.none import NoTrainer
from labelbench_ray.trainers.sft import Sft
from labelbench_ray.trial.fitting_parts import check_features, check_modality, check_views

CLEAN = plugins.Part(name="clean")


@dataclass(frozen=True)
class Tuning:
    """The plug-ins of a fine-tune."""

    recipe: FineTune
    model: proxies.Tunable
    trainer: trainers.Trainer

    @cached_property
    def fingerprint(self) -> str:
        """Names its results below the trial's: 16 hexadecimal digits. More budgets are more results of the same one."""
        return digest(
            {
                "model": plugins.recipe(self.recipe.model.name, self.model),
                "trainer": plugins.recipe(self.recipe.trainer.name, self.trainer),
            }
        )


@dataclass(frozen=True)
class Parts:
    """Every plug-in of one trial."""

    trial: Trial
    dataset: datasets.Dataset
    encoder: encoders.Encoder
    strategy: strategies.Strategy
    first_batch: strategies.Strategy
    proxy: proxies.Proxy
    trainer: trainers.Trainer
    corrupter: corrupters.Corrupter
    oracle: oracles.Oracle
    tuning: Tuning | None
    stated_task: str | None = None
    """The task of the labels that people are asked for, where it is not the data set's."""

    @cached_property
    def fingerprint(self) -> str:
        """Names the trial's results: 16 hexadecimal digits."""
        trial = self.trial
        named: dict[str, JsonValue] = (
            {} if trial.oracle == SIMULATED else {"oracle": plugins.recipe(trial.oracle.name, self.oracle)}
        )
        if self.dataset.prior_alphas:
            named["prior_alphas"] = list(self.dataset.prior_alphas)
        return digest(
            named
            | {
                "seed": trial.seed,
                "budget": trial.budget,
                "strategy": plugins.recipe(trial.strategy.name, self.strategy),
                "first_batch": plugins.recipe(trial.first_batch.name, self.first_batch),
                "proxy": plugins.recipe(trial.proxy.name, self.proxy),
                "trainer": plugins.recipe(trial.trainer.name, self.trainer),
                "corrupter": plugins.recipe(trial.corrupter.name, self.corrupter),
                "embedding": self.embedding,
            }
        )

    @cached_property
    def task(self) -> Task:
        """What a label is: as people are asked for it, or as the data set has it."""
        return tasks.create(self.task_name)

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self.stated_task or self.dataset.task

    @property
    def wanted_views(self) -> augmentations.WantedViews | None:
        """The augmented views that must be in the store; a full model makes its own from images."""
        return None if self.proxy.trains_encoder else self.trainer.wanted_views()

    @property
    def full_models(self) -> tuple[tuple[FullProxy, trainers.Trainer], ...]:
        """The full models that the trial trains, with their trainers: in every round, and in its fine-tune."""
        every_round = [(self.proxy, self.trainer)] if isinstance(self.proxy, FullProxy) else []
        tuning = self.tuning
        at_the_end = [(tuning.model, tuning.trainer)] if tuning and isinstance(tuning.model, FullProxy) else []
        return (*every_round, *at_the_end)

    @property
    def store_recipe(self) -> StoreRecipe:
        """What the trial's embedding store is made from."""
        trial = self.trial
        return StoreRecipe(self.embedding, trial.dataset.name, self.dataset.stored, trial.encoder.name, self.encoder)

    @cached_property
    def embedding(self) -> str:
        """Names the embedding store that the trial reads."""
        return digest(
            {
                "dataset": plugins.recipe(self.trial.dataset.name, self.dataset.stored),
                "encoder": plugins.recipe(self.trial.encoder.name, self.encoder),
            }
        )


def build(trial: Trial, task: str | None = None) -> Parts:
    """Make every part of a trial.

    Args:
        trial: the recipe.
        task: of the labels that people are asked for, whatever the data set states; None: the data set's.

    Raises:
        ConfigError: an unknown name or setting, or parts that do not fit together.
    """
    proxy = plugins.build(proxies.Proxy, proxies.PACKAGE, trial.proxy)
    tuning = None if trial.finetune is None else build_tuning(trial.finetune)
    parts = Parts(
        trial=_with_resolved_settings(trial, proxy, tuning),
        dataset=plugins.build(datasets.Dataset, datasets.PACKAGE, trial.dataset),
        encoder=plugins.build(encoders.Encoder, encoders.PACKAGE, trial.encoder),
        strategy=plugins.build(strategies.Strategy, strategies.PACKAGE, trial.strategy),
        first_batch=plugins.build(strategies.Strategy, strategies.PACKAGE, trial.first_batch),
        proxy=proxy,
        trainer=plugins.build(trainers.Trainer, trainers.PACKAGE, trial.trainer),
        corrupter=plugins.build(corrupters.Corrupter, corrupters.PACKAGE, trial.corrupter),
        oracle=plugins.build(oracles.Oracle, oracles.PACKAGE, trial.oracle),
        tuning=tuning,
        stated_task=task,
    )
    if not parts.first_batch.cold_start:
        raise ConfigError(
            f"first_batch: {trial.first_batch} needs labels or a trained proxy, and the first batch has "
            "neither; use 'random' or another strategy with `cold_start`"
        )
    if not parts.oracle.needs_labels and trial.corrupter != CLEAN:
        raise ConfigError(
            f"corrupter {trial.corrupter}: changes the data set's labels, and the oracle {trial.oracle} answers "
            "without them; leave the corrupter out"
        )
    if parts.strategy.needs_ask and not parts.oracle.answers_at_once:
        raise ConfigError(
            f"strategy {trial.strategy}: asks for labels while it chooses its batch, and the oracle {trial.oracle} "
            "answers later; use another strategy, such as 'margin' or 'badge'"
        )
    check_modality(trial, parts.dataset, parts.encoder)
    _check_tasks(parts)
    _check_trains(trial.trainer, parts.trainer, parts.proxy)
    check_views(trial, parts.encoder, parts.wanted_views)
    check_features(trial, parts.proxy, parts.strategy, parts.first_batch, parts.task)
    check_full(parts, None)
    return parts


def budgets(built: Parts) -> tuple[int, ...]:
    """The numbers of labels that a trial's fine-tune is asked for, ascending."""
    if built.tuning is None:
        return ()
    trial = built.trial
    return tuple(sorted(set(built.tuning.recipe.budgets))) or (trial.rounds * trial.budget,)


def check_full(parts: Parts, classes: tuple[str, ...] | None) -> None:
    """Refuse full models that the encoder or the classes do not allow; None: the classes are not known yet."""
    light = None if parts.proxy.trains_encoder else parts.proxy
    if isinstance(parts.proxy, FullProxy):
        parts.proxy.check(parts.encoder, classes, None)
    if parts.tuning is not None:
        parts.tuning.model.check(parts.encoder, classes, light)


def build_tuning(recipe: FineTune) -> Tuning:
    """Make the parts of a fine-tune; `ConfigError` as from `build`."""
    model = plugins.build(proxies.Proxy, proxies.PACKAGE, recipe.model)
    if not isinstance(model, proxies.Tunable):
        raise ConfigError(
            f"finetune: {recipe.model} is a light proxy, which trains no encoder; use the model 'full_model' or "
            "'lora', or 'causal_lm_lora' for prompts"
        )
    trainer = plugins.build(trainers.Trainer, trainers.PACKAGE, recipe.trainer)
    _check_trains(recipe.trainer, trainer, model)
    return Tuning(
        recipe.model_copy(update={"model": plugins.with_resolved_settings(recipe.model, model)}), model, trainer
    )


def _with_resolved_settings(trial: Trial, proxy: proxies.Proxy, tuning: Tuning | None) -> Trial:
    """The trial as it travels to workers and into the ledger: files that its full models name need not be there."""
    model = plugins.with_resolved_settings(trial.proxy, proxy) if isinstance(proxy, FullProxy) else trial.proxy
    return trial.model_copy(update={"proxy": model, "finetune": tuning.recipe if tuning else None})


def _check_tasks(parts: Parts) -> None:
    """Refuse plug-ins that do not serve the data set's task, and name those that do."""
    trial, kinds = parts.trial, parts.task.kinds()
    chosen: list[tuple[str, plugins.Part, tasks.ServesTasks, type[tasks.ServesTasks], str]] = [
        ("strategy", trial.strategy, parts.strategy, strategies.Strategy, strategies.PACKAGE),
        ("first_batch", trial.first_batch, parts.first_batch, strategies.Strategy, strategies.PACKAGE),
        ("proxy", trial.proxy, parts.proxy, proxies.Proxy, proxies.PACKAGE),
        ("trainer", trial.trainer, parts.trainer, trainers.Trainer, trainers.PACKAGE),
        ("corrupter", trial.corrupter, parts.corrupter, corrupters.Corrupter, corrupters.PACKAGE),
        ("oracle", trial.oracle, parts.oracle, oracles.Oracle, oracles.PACKAGE),
    ]
    for what, named, plugin, base, package in chosen:
        for name, each in _with_inner(named.name, plugin):
            if not each.serves(kinds):
                inner = "" if each is plugin else f"{name!r} "
                have = tasks.serving(base, package, kinds)
                raise ConfigError(f"{what} {named}: {inner}{_refusal(parts)}; {_what_fits(parts, name, have)}")
    if parts.tuning:
        _check_tuning(parts, parts.tuning, kinds)


def _check_tuning(parts: Parts, tuning: Tuning, kinds: tuple[str, ...]) -> None:
    """Refuse a fine-tune that does not serve the data set's task."""
    refused = next((each for each in (tuning.model, tuning.trainer) if not each.serves(kinds)), None)
    if refused is None:
        return
    named = tuning.recipe.model if refused is tuning.model else tuning.recipe.trainer
    fits = ' use model="causal_lm_lora" and trainer="sft", or' * ("response" in kinds)
    raise ConfigError(
        f"finetune: {named} does not serve the task {parts.dataset.task!r} of the data set {parts.trial.dataset};"
        f"{fits} leave `finetune` out"
    )


def _with_inner(name: str, plugin: tasks.ServesTasks) -> Iterator[tuple[str, tasks.ServesTasks]]:
    """A plug-in and those in its settings, each with its name."""
    yield name, plugin
    for field, inner in plugin.inner_plugins().items():
        if isinstance(inner, tasks.ServesTasks) and isinstance(part := getattr(plugin, field, None), plugins.Part):
            yield from _with_inner(part.name, inner)


def _refusal(parts: Parts) -> str:
    why = f", {parts.task.refusal}" if parts.task.refusal else ""
    return f"does not serve the task {parts.task_name!r} of the data set {parts.trial.dataset}{why}"


def _what_fits(parts: Parts, name: str, have: Sequence[str]) -> str:
    nearest = parts.task.instead.get(name)
    return f"use {f'{nearest!r}, or ' if nearest in have else ''}one of: {', '.join(have)}"


def _check_trains(named: plugins.Part, trainer: trainers.Trainer, proxy: proxies.Proxy) -> None:
    if isinstance(proxy, FullProxy) and not isinstance(trainer, Gradient):
        raise ConfigError(
            f"trainer {named}: does not train by gradient descent, so it cannot train a full model; use 'supervised' "
            "or another that does"
        )
    if isinstance(proxy, CausalLmLora) and not isinstance(trainer, Sft):
        raise ConfigError(f"trainer {named}: cannot fine-tune a language model; use the trainer 'sft'")
    if isinstance(proxy, proxies.SelfFitted) and not isinstance(trainer, NoTrainer):
        fitted = type(proxy).__module__.rpartition(".")[2]
        raise ConfigError(f"trainer {named}: the proxy {fitted!r} has a fit of its own; use the trainer 'none'")
    trainer.check(proxy)

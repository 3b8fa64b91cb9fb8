"""Choosing with the full model in every round against choosing with a light proxy: seconds and accuracy.

All seconds are CPU and GPU seconds of training and inference: every stage of a round except the strategy's own
("select"). With equal batches and training time proportional to the labels, T full trainings cost (T + 1) / 2 of the
last one, which choosing with the proxy pays once, at the end.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.config import FineTune
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report.costs import Embeddings, rounds, share, whole
from labelbench_ray.report.curves import Run, Setting, last_common
from labelbench_ray.report.finetuned import recipes
from labelbench_ray.report.statistics.paired import Estimate, estimate

OWN: Final = "select"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Sum over sum, and the least and the largest of the seeds' own ratios."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Protocol:
    """One strategy over the seeds that both proxies have."""

    setting: Setting
    """The light proxy's."""
    full: Setting
    strategy: str
    seeds: int
    rounds: int
    in_rounds: Ratio | None
    """Full model's rounds ÷ proxy's rounds."""
    with_final: Ratio | None
    """Full model's rounds ÷ (share of the embedding + proxy's rounds + the full model trained once at the end)."""
    accuracy: Estimate
    """Choosing with the proxy less choosing with the full model, at the last common number of labels."""
    recipe: str
    """The fine-tune that the proxy's way ended with, which the accuracy and the ratio are of; "" without one."""

    @property
    def finetuned(self) -> bool:
        """The proxy's way ended with a recorded fine-tune of the same model by the same trainer."""
        return bool(self.recipe)

    @property
    def equal(self) -> bool:
        """Their settings are the same, too."""
        return self.recipe == _words(self.full)

    @property
    def formula(self) -> float:
        """(T + 1) / 2."""
        return (self.rounds + 1) / 2


@dataclass(frozen=True, slots=True)
class Whole:
    """All of selection-via-proxy ÷ its final fine-tune alone."""

    setting: Setting
    strategy: str
    recipe: str
    seeds: int
    shared: Ratio
    """With the trial's share of the embedding."""
    unshared: Ratio
    """With all of it."""


def protocols(settings: tuple[Setting, ...], embeddings: Embeddings) -> tuple[Protocol, ...]:
    """Every pair of settings that differ in the proxy (and at most in the trainer's settings), by strategy."""
    pairs = (
        (light, full)
        for light in settings
        for full in settings
        if _weight(light) < _weight(full) and light.same_but(full, "proxy", "trainer") and _same_method(light, full)
    )
    found = (
        _protocol(light, full, strategy, embeddings)
        for light, full in pairs
        for strategy in light.strategies
        if strategy in full.strategies
    )
    return tuple(each for each in found if each is not None)


def wholes(settings: tuple[Setting, ...], embeddings: Embeddings) -> tuple[Whole, ...]:
    """One for each strategy and recipe whose trials were fine-tuned at their last budget."""
    return tuple(
        each
        for setting in settings
        if not setting.traits.trains_every_weight
        for strategy in setting.strategies
        for each in _wholes(setting, strategy, embeddings)
    )


def ratio(above: list[float], below: list[float]) -> Ratio | None:
    """Of seconds by seed; None where a seed has none below."""
    if not below or min(below) <= 0:
        return None
    each = [high / low for high, low in zip(above, below, strict=True)]
    return Ratio(sum(above) / sum(below), min(each), max(each))


def _weight(setting: Setting) -> int:
    """How much of the encoder its proxy trains."""
    return setting.traits.trains_encoder + setting.traits.trains_every_weight


def _same_method(first: Setting, second: Setting) -> bool:
    """The same trainer; its learning rates and the like are each model's own."""
    return first.trial.trainer.name == second.trial.trainer.name


def _protocol(light: Setting, full: Setting, strategy: str, embeddings: Embeddings) -> Protocol | None:
    lights, fulls = light.by_seed(strategy), full.by_seed(strategy)
    pairs = [(lights[seed], fulls[seed]) for seed in sorted(lights.keys() & fulls.keys())]
    labels = last_common(run for pair in pairs for run in pair) if pairs else 0
    if not labels:
        return None
    recipe = _recipe([run for run, _ in pairs], labels, full)
    ended = [(pair, _end(*pair, labels, recipe)) for pair in pairs]
    pairs = [pair for pair, end in ended if end]
    found = [end for _, end in ended if end]
    reached, ends = [end.accuracy for end in found], [end.seconds for end in found]
    proxy_S, full_S = ([_rounds(run, labels) for run in runs] for runs in zip(*pairs, strict=True))
    whole_S = [
        share(run, embeddings).computing + spent + end
        for (run, _), spent, end in zip(pairs, proxy_S, ends, strict=True)
    ]
    lost = np.array(reached) - np.array([run.primary[labels] for _, run in pairs])
    return Protocol(
        setting=light,
        full=full,
        strategy=strategy,
        seeds=len(pairs),
        rounds=sum(record.num_labeled <= labels for record in pairs[0][1].records),
        in_rounds=ratio(full_S, proxy_S),
        with_final=ratio(full_S, whole_S),
        accuracy=estimate(lost),
        recipe=recipe,
    )


def _wholes(setting: Setting, strategy: str, embeddings: Embeddings) -> Iterator[Whole]:
    runs = [run for run in setting.compared if run.strategy == strategy]
    for recipe in recipes(runs):
        last = [(run, run.finetuned(recipe, _labels(run))) for run in runs]
        ends = [(run, record.training.computing) for run, record in last if record is not None]
        fine = [end for _, end in ends]
        parts = [rounds(run).computing + end for run, end in ends]
        shared = ratio(
            [share(run, embeddings).computing + part for (run, _), part in zip(ends, parts, strict=True)], fine
        )
        full = [whole(run, embeddings).computing for run, _ in ends]
        unshared = ratio([embedding + part for embedding, part in zip(full, parts, strict=True)], fine)
        if shared is not None and unshared is not None:
            yield Whole(setting, strategy, recipe, len(ends), shared, unshared)


@dataclass(frozen=True, slots=True)
class _End:
    """The final model of choosing with the proxy."""

    accuracy: float
    seconds: float


def _end(light: Run, full: Run, labels: int, recipe: str) -> _End | None:
    """The fine-tune, None where this seed has none; without a recipe the proxy, at the cost of the full model."""
    if not recipe:
        return _End(light.primary[labels], _training(_last(full, labels)))
    record, metric = light.finetuned(recipe, labels), light.metrics[0]
    return _End(record.metrics[metric], record.training.computing) if record and metric in record.metrics else None


def _recipe(runs: list[Run], labels: int, full: Setting) -> str:
    """The fine-tune of the full setting's model by its trainer: with its settings if there is one, else most seeds'."""
    counts = Counter(
        recipe
        for run in runs
        for recipe in run.finetunes
        if _same_parts(recipe, full) and (record := run.finetuned(recipe, labels)) and run.metrics[0] in record.metrics
    )
    return min(counts, key=lambda recipe: (recipe != _words(full), -counts[recipe], recipe), default="")


def _words(full: Setting) -> str:
    return str(FineTune(model=full.trial.proxy, trainer=full.trial.trainer))


def _same_parts(recipe: str, full: Setting) -> bool:
    model, trainer = re.escape(full.trial.proxy.name), re.escape(full.trial.trainer.name)
    return bool(re.match(rf"{model}(\(|,)", recipe) and re.search(rf", {trainer}(\(|$)", recipe))


def _labels(run: Run) -> int:
    return max((record.num_labeled for record in run.records), default=0)


def _last(run: Run, labels: int) -> RoundRecord:
    return next(record for record in run.records if record.num_labeled == labels)


def _rounds(run: Run, labels: int) -> float:
    return sum(_training(record) for record in run.records if record.num_labeled <= labels)


def _training(record: RoundRecord) -> float:
    return record.spent.computing - record.cpu.get(OWN, 0.0) - record.gpu.get(OWN, 0.0)

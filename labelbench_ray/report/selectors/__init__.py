"""Which model selects: linear proxies to full models, each choosing labels for one common final model.

Settings that differ in the proxy (and its trainer) alone, whose trials were fine-tuned by one recipe. The reference is
the setting that selects with the final model itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from labelbench_ray.config import FineTune
from labelbench_ray.costs import Cost
from labelbench_ray.report.costs import mean, rounds
from labelbench_ray.report.curves import RANDOM, RECIPE, Run, Setting
from labelbench_ray.report.fidelity import CORRELATION
from labelbench_ray.report.finetuned import recipes
from labelbench_ray.report.statistics.paired import Estimate, Floats, estimate
from labelbench_ray.report.statistics.savings import Saving, saving
from labelbench_ray.report.statistics.sufficiency import Sufficiency, sufficiency
from labelbench_ray.report.threshold import OVERLAP

MEASURES: Final = {"rank correlation of the scores": CORRELATION, "overlap of the batches": OVERLAP}
BySeed = Mapping[int, Run]


@dataclass(frozen=True, slots=True)
class Selector:
    """One model that selects by one strategy, over its seeds."""

    setting: Setting
    strategy: str
    seeds: int
    final: Estimate
    """Accuracy of the final model on the most labels that all have."""
    lost: Estimate | None
    """Less that on the labels that the final model itself chose, paired by seed; None for that, or without it."""
    saving: Saving | None
    """Labels to the highest accuracy of the final model on random's labels; None for random, or without it."""
    spent: Cost
    """Mean of all rounds."""
    overlap: Estimate | None
    correlation: Estimate | None
    """Means over the numbers of labels, beside the final model trained on the same labels."""


@dataclass(frozen=True, slots=True)
class Selectors:
    """All selectors of one final model."""

    recipe: str
    title: str
    labels: tuple[int, ...]
    """At which all of them were fine-tuned."""
    lines: tuple[Selector, ...]
    enough: tuple[tuple[str, str, Sufficiency], ...]
    """By strategy and measure of fidelity, where a strategy reads its model."""
    noun: str


def selectors(settings: tuple[Setting, ...]) -> tuple[Selectors, ...]:
    """One for each final model that two selectors or more have bought labels for."""
    kept = [field for field in RECIPE if field not in ("proxy", "trainer")]

    def place(setting: Setting) -> tuple[str, ...]:
        return tuple(setting.recipe[field] for field in kept)

    groups = [tuple(members) for _, members in groupby(sorted(settings, key=place), key=place)]
    found = [
        each
        for members in groups
        for recipe in recipes(run for setting in members for run in setting.runs)
        if (each := _selectors(members, recipe, len(groups) > 1))
    ]
    return tuple(found)


def _selectors(settings: tuple[Setting, ...], recipe: str, named: bool) -> Selectors | None:
    tuned = [
        (setting, strategy, runs)
        for setting in settings
        for strategy in setting.strategies
        if (runs := _tuned(setting, strategy, recipe))
    ]
    counts = [set(_curve(run, recipe)) for *_, runs in tuned for run in runs.values()]
    labels = tuple(sorted(set.intersection(*counts))) if counts else ()
    if not labels or len({id(setting) for setting, *_ in tuned}) < 2:
        return None
    lines = tuple(_line(setting, strategy, recipe, labels, tuned) for setting, strategy, _ in tuned)
    first = settings[0]
    title = ", ".join(first.recipe[field] for field in ("dataset", "encoder")) if named else ""
    return Selectors(recipe, title, labels, lines, tuple(_enough(tuned, recipe, labels)), first.noun)


Tuned = list[tuple[Setting, str, BySeed]]


def _tuned(setting: Setting, strategy: str, recipe: str) -> BySeed:
    """The trials whose final model was trained, by seed."""
    return {seed: run for seed, run in setting.by_seed(strategy).items() if _curve(run, recipe)}


def _curve(run: Run, recipe: str) -> dict[int, float]:
    """Accuracy of the final model by number of labels."""
    metric = run.metrics[0]
    return {
        labels: record.metrics[metric]
        for labels, record in sorted(run.finetunes.get(recipe, {}).items())
        if metric in record.metrics
    }


def _is_final(setting: Setting, recipe: str) -> bool:
    """It selects with the final model."""
    return str(FineTune(model=setting.trial.proxy, trainer=setting.trial.trainer)) == recipe


def _line(setting: Setting, strategy: str, recipe: str, labels: tuple[int, ...], tuned: Tuned) -> Selector:
    mine = _of(tuned, strategy, setting)
    own = next((runs for each, name, runs in tuned if name == strategy and _is_final(each, recipe)), {})
    random = {} if strategy == setting.baseline else _baseline(tuned, setting)
    return Selector(
        setting=setting,
        strategy=strategy,
        seeds=len(mine),
        final=estimate(_curves(mine, sorted(mine), recipe, labels)[:, -1]),
        lost=None if _is_final(setting, recipe) else _lost(mine, own, recipe, labels),
        saving=_saving(mine, random, recipe, labels),
        spent=mean(rounds(run) for run in mine.values()),
        overlap=_over_labels(mine, recipe, labels, OVERLAP),
        correlation=_over_labels(mine, recipe, labels, CORRELATION),
    )


def _of(tuned: Tuned, strategy: str, setting: Setting) -> BySeed:
    return next((runs for each, name, runs in tuned if name == strategy and each is setting), {})


def _baseline(tuned: Tuned, setting: Setting) -> BySeed:
    """Its trials beside this selector; else, where it is random, which reads no model, beside any other."""
    beside_any = {seed: run for each, name, runs in tuned if name == RANDOM for seed, run in runs.items()}
    return _of(tuned, setting.baseline, setting) or (beside_any if setting.baseline == RANDOM else {})


def _curves(runs: BySeed, seeds: list[int], recipe: str, labels: tuple[int, ...]) -> Floats:
    """(S, T)"""
    return np.array([[_curve(runs[seed], recipe)[count] for count in labels] for seed in seeds], np.float64)


def _lost(mine: BySeed, own: BySeed, recipe: str, labels: tuple[int, ...]) -> Estimate | None:
    seeds = sorted(mine.keys() & own.keys())
    if not seeds:
        return None
    return estimate((_curves(mine, seeds, recipe, labels) - _curves(own, seeds, recipe, labels))[:, -1])


def _saving(mine: BySeed, random: BySeed, recipe: str, labels: tuple[int, ...]) -> Saving | None:
    seeds = sorted(mine.keys() & random.keys())
    if not seeds:
        return None
    mine_ST, random_ST = (_curves(runs, seeds, recipe, labels) for runs in (mine, random))
    return saving(np.array(labels, np.float64), mine_ST, random_ST)


def _fidelity(run: Run, recipe: str, labels: tuple[int, ...], measure: str) -> list[float] | None:
    """By number of labels; None where one is missing."""
    records = [run.finetuned(recipe, count) for count in labels]
    values = [record.metrics.get(measure) if record else None for record in records]
    known = [value for value in values if value is not None]
    return known if len(known) == len(labels) else None


def _over_labels(runs: BySeed, recipe: str, labels: tuple[int, ...], measure: str) -> Estimate | None:
    found = [_fidelity(run, recipe, labels, measure) for run in runs.values()]
    known = [float(np.mean(values)) for values in found if values]
    return estimate(np.array(known)) if known else None


def _enough(tuned: Tuned, recipe: str, labels: tuple[int, ...]) -> Iterator[tuple[str, str, Sufficiency]]:
    """Fidelities of the rounds before a number of labels, and what those labels lose."""
    for strategy in dict.fromkeys(name for _, name, _ in tuned):
        mine = [(setting, runs) for setting, name, runs in tuned if name == strategy]
        own = next((runs for setting, runs in mine if _is_final(setting, recipe)), {})
        rivals = [runs for setting, runs in mine if not _is_final(setting, recipe)]
        seeds = sorted(set(own).intersection(*rivals)) if rivals else []
        if not seeds or len(labels) < 2:
            continue
        lost_SKT = np.stack(
            [_curves(runs, seeds, recipe, labels) - _curves(own, seeds, recipe, labels) for runs in rivals], axis=1
        )[:, :, 1:]
        for name, measure in MEASURES.items():
            found = [[_fidelity(runs[seed], recipe, labels[:-1], measure) for runs in rivals] for seed in seeds]
            if any(values is None for each in found for values in each):
                continue
            before_SKT = np.array(found, np.float64).cumsum(axis=2) / np.arange(1, len(labels))
            enough = sufficiency(before_SKT, lost_SKT)
            if enough:
                yield strategy, name, enough

"""What each part of the recipe contributes: final accuracy of trials that differ in exactly one field, paired by seed.

A part's contribution is the difference to the plain level of its field, averaged seed by seed over every combination of
the other fields that has both; the interval is over the seeds.

A trainer that learns from unlabeled rows is measured against the control, which takes the same steps on the same views
and leaves the unlabeled rows out (`unlabeled_weight=0`), where the grid has it. Against a trainer without views the
difference is that of steps and views, too, which is stated.

Where the trials are complete in two levels of each field (a method and its control, of several trainers), main effects
and interactions follow by effect coding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Final

import numpy as np
from pydantic import JsonValue

from labelbench_ray.config import Part
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report.curves import RECIPE, Run, Setting, last_common
from labelbench_ray.report.statistics.factorial import Effect, effects
from labelbench_ray.report.statistics.paired import Estimate, estimate
from labelbench_ray.report.statistics.savings import Saving, saving

FIELDS: Final = ("strategy", *(field for field in RECIPE if field not in ("dataset", "budget")))
"""Accuracies of other data sets or other numbers of labels are not compared."""
STEPS: Final = frozenset(
    {
        "accumulation",
        "augmentation",
        "batch_size",
        "epoch_steps",
        "epochs",
        "gradient_clip",
        "keep",
        "label_smoothing",
        "learning_rate",
        "patience",
        "unlabeled_ratio",
        "views",
        "warmup_steps",
        "weight_decay",
    }
)

Levels = tuple[str, ...]
Curve = Mapping[int, float]
Cells = Mapping[Levels, Mapping[int, Curve]]
"""The levels of the fields -> seed -> accuracy by number of labels, to the last that all trials have."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One level of a field less the plain one. `contexts`: the same in each combination of the other fields."""

    field: str
    level: str
    plain: str
    unlike: bool
    """It also takes other steps, on augmented views, which the plain level does not."""
    effect: Estimate
    contexts: tuple[tuple[str, Estimate], ...]
    savings: tuple[Saving, ...]
    """In each context: at the plain level's highest mean accuracy."""

    @property
    def name(self) -> str:
        """`trainer flexmatch`; a strategy by its name alone."""
        return f"{self.field.replace('_', ' ')} {self.level}"


@dataclass(frozen=True, slots=True)
class Factorial:
    """Main effects and interactions of parts with two levels each, over the seeds that every cell has."""

    parts: tuple[str, ...]
    """`trainer flexmatch`: the level that is not the plain one."""
    instead: tuple[str, ...]
    effects: tuple[Effect, ...]
    seeds: int

    def name(self, effect: Effect) -> str:
        """`strategy margin x trainer flexmatch`."""
        return " x ".join(self.parts[factor] for factor in effect.factors)


@dataclass(frozen=True, slots=True)
class Ablation:
    """The parts' contributions on one data set and budget. `together` is all of them at once, where that was run."""

    title: str
    labels: int
    parts: tuple[Contribution, ...]
    together: Estimate | None
    factorial: Factorial | None
    noun: str
    """The metric, within a sentence."""


@dataclass(frozen=True, slots=True)
class Trainers:
    """The trainers of a grid by name and settings, and which of them read augmented views."""

    parts: Mapping[str, Part]
    with_views: frozenset[str]

    @classmethod
    def of(cls, runs: list[Run]) -> "Trainers":
        """Collect them from the runs."""
        with_views = {str(run.trial.trainer) for run in runs if run.views}
        return cls({str(run.trial.trainer): run.trial.trainer for run in runs}, frozenset(with_views))

    def control(self, level: str) -> str | None:
        """The trainer that takes the same steps on the same views without the unlabeled rows; None without one."""
        if level not in self.with_views or _leaves_out(self.parts[level]):
            return None
        same = (
            other
            for other in sorted(self.with_views)
            if _leaves_out(self.parts[other]) and _steps(self.parts[other]) == _steps(self.parts[level])
        )
        return next(same, None)

    def unlike(self, level: str, other: str) -> bool:
        """Just one of the two reads views."""
        return (level in self.with_views) != (other in self.with_views)


def ablations(settings: tuple[Setting, ...]) -> tuple[Ablation, ...]:
    """One for each data set and budget in which more than the strategy differs."""
    groups = groupby(sorted(settings, key=_place), key=_place)
    found = [(place, _ablation(tuple(members))) for place, members in groups]
    several = len(found) > 1
    return tuple(
        replace(each, title=f"{place[0]}, budget {place[1]}" if several else "")
        for place, each in found
        if each is not None
    )


def _place(setting: Setting) -> tuple[str, int]:
    return setting.recipe["dataset"], setting.trial.budget


def _ablation(settings: tuple[Setting, ...]) -> Ablation | None:
    every = [run for setting in settings for run in setting.runs if run.records and not run.sees_labels]
    runs = [run for run in every if run.state is TrialState.DONE] or every
    fields = tuple(field for field in FIELDS if len({_level(run, field) for run in runs}) > 1)
    labels = last_common(runs) if runs else 0
    if not labels or not set(fields) - {"strategy"}:
        return None
    cells: dict[Levels, dict[int, Curve]] = {}
    for run in runs:
        levels = tuple(_level(run, field) for field in fields)
        curve = {count: value for count, value in run.primary.items() if count <= labels}
        cells.setdefault(levels, {})[run.trial.seed] = curve
    plain = tuple(_plain(cells, place, _baselines(runs, field)) for place, field in enumerate(fields))
    trainers = Trainers.of(runs)
    parts = tuple(
        part for place in range(len(fields)) for part in _contributions(cells, fields, plain, place, trainers)
    )
    if not parts:
        return None
    return Ablation("", labels, parts, _together(cells, plain), _factorial(cells, parts), settings[0].noun)


def _leaves_out(trainer: Part) -> bool:
    """Its unlabeled rows count for nothing."""
    return trainer.settings.get("unlabeled_weight") == 0


def _steps(trainer: Part) -> dict[str, JsonValue]:
    """The settings that decide steps and views; all methods have the same defaults of them."""
    return {name: value for name, value in trainer.settings.items() if name in STEPS}


def _level(run: Run, field: str) -> str:
    return str(getattr(run.trial, field))


def _baselines(runs: list[Run], field: str) -> frozenset[str]:
    """The levels of a field that are baselines: those with their default settings, else those with any."""
    levels = {str(part): part for run in runs if field in run.traits.baselines and (part := getattr(run.trial, field))}
    return frozenset(level for level, part in levels.items() if not part.settings) or frozenset(levels)


def _plain(cells: Cells, place: int, baselines: frozenset[str]) -> str:
    """The level that the others are measured against: the baseline, of several the one with the lowest mean accuracy;
    without one that of all levels.
    """
    means: dict[str, list[float]] = {}
    for levels, by_seed in cells.items():
        means.setdefault(levels[place], []).extend(_final(curve) for curve in by_seed.values())
    return min(means.keys() & baselines or means, key=lambda level: (np.mean(means[level]), level))


def _contributions(
    cells: Cells, fields: Levels, plain: Levels, place: int, trainers: Trainers
) -> Iterator[Contribution]:
    for level in sorted({levels[place] for levels in cells} - {plain[place]}):
        is_trainer = fields[place] == "trainer"
        reference = trainers.control(level) or plain[place] if is_trainer else plain[place]
        unlike = is_trainer and trainers.unlike(level, reference)
        pairs = [(levels, _swapped(levels, place, reference)) for levels in cells if levels[place] == level]
        pairs = [(mine, other) for mine, other in pairs if cells.get(other, {}).keys() & cells[mine].keys()]
        if not pairs:
            continue
        seeds = sorted(set.intersection(*(set(cells[mine]) & set(cells[other]) for mine, other in pairs)))
        contexts = tuple(
            (", ".join((*mine[:place], *mine[place + 1 :])), _difference(cells, mine, other)) for mine, other in pairs
        )
        if seeds:
            finals = [[_final(cells[mine][s]) - _final(cells[other][s]) for s in seeds] for mine, other in pairs]
            effect = estimate(np.mean(finals, axis=0))
            savings = tuple(_saving(cells[mine], cells[other]) for mine, other in pairs)
            yield Contribution(fields[place], level, reference, unlike, effect, contexts, savings)


def _final(curve: Curve) -> float:
    return curve[max(curve)]


def _saving(mine: Mapping[int, Curve], other: Mapping[int, Curve]) -> Saving:
    """Over the seeds that both have, at the numbers of labels that all of those have."""
    seeds = sorted(mine.keys() & other.keys())
    counts = sorted(set.intersection(*(set(each[seed]) for each in (mine, other) for seed in seeds)))
    mine_ST, other_ST = (
        np.array([[each[seed][count] for count in counts] for seed in seeds]) for each in (mine, other)
    )
    return saving(np.array(counts, np.float64), mine_ST, other_ST)


def _factorial(cells: Cells, parts: tuple[Contribution, ...]) -> Factorial | None:
    """Of fields with two levels, and of a method and its control; None unless every cell has two common seeds."""
    by_field: dict[str, list[Contribution]] = {}
    for part in parts:
        by_field.setdefault(part.field, []).append(part)
    alike = [[part for part in each if len(each) == 1 or not part.unlike] for each in by_field.values()]
    if len(alike) < 2 or any(len(each) != 1 for each in alike):
        return None
    chosen = [part for each in alike for part in each]
    corners = [cells.get(levels, {}) for levels in product(*((part.plain, part.level) for part in chosen))]
    seeds = sorted(set.intersection(*(set(corner) for corner in corners)))
    if len(seeds) < 2:
        return None
    finals_SC = np.array([[_final(corner[seed]) for corner in corners] for seed in seeds])
    return Factorial(
        tuple(part.name for part in chosen),
        tuple(part.plain for part in chosen),
        effects(finals_SC.reshape(len(seeds), *[2] * len(chosen))),
        len(seeds),
    )


def _swapped(levels: Levels, place: int, level: str) -> Levels:
    return (*levels[:place], level, *levels[place + 1 :])


def _difference(cells: Cells, mine: Levels, other: Levels) -> Estimate:
    seeds = sorted(cells[mine].keys() & cells[other].keys())
    return estimate(np.array([_final(cells[mine][seed]) - _final(cells[other][seed]) for seed in seeds]))


def _together(cells: Cells, plain: Levels) -> Estimate | None:
    """All parts at once less none of them, where every field has just two levels."""
    others = [sorted({levels[place] for levels in cells} - {plain[place]}) for place in range(len(plain))]
    corners = list(product(*others))
    if len(corners) != 1 or not cells.get(corners[0], {}).keys() & cells.get(plain, {}).keys():
        return None
    return _difference(cells, corners[0], plain)

"""What each part of the recipe contributes: final accuracy of trials that differ in exactly one field, paired by seed.

A part's contribution is the difference to the plain level of its field, averaged seed by seed over every combination of
the other fields that has both; the interval is over the seeds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, product
from typing import Final

import numpy as np

from labelbench_ray.report.curves import PRIMARY, RANDOM, RECIPE, Run, Setting, State, last_common
from labelbench_ray.report.statistics import Estimate, estimate

FIELDS: Final = ("strategy", *(field for field in RECIPE if field not in ("dataset", "budget")))
"""Accuracies of other data sets or other numbers of labels are not compared."""
PLAIN: Final = frozenset({RANDOM, "supervised", "linear", "clean"})
"""The levels that the others are measured against; elsewhere it is the one with the lowest mean accuracy."""

Levels = tuple[str, ...]
Cells = Mapping[Levels, Mapping[int, float]]
"""The levels of the fields -> seed -> final accuracy."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One level of a field less the plain one. `contexts`: the same in each combination of the other fields."""

    field: str
    level: str
    plain: str
    effect: Estimate
    contexts: tuple[tuple[str, Estimate], ...]

    @property
    def name(self) -> str:
        """`trainer flexmatch`; a strategy by its name alone."""
        return f"{self.field.replace('_', ' ')} {self.level}"


@dataclass(frozen=True, slots=True)
class Ablation:
    """The parts' contributions on one data set and budget. `together` is all of them at once, where that was run."""

    title: str
    labels: int
    parts: tuple[Contribution, ...]
    together: Estimate | None


def ablations(settings: tuple[Setting, ...]) -> tuple[Ablation, ...]:
    """One for each data set and budget in which more than the strategy differs."""
    groups = groupby(sorted(settings, key=_place), key=_place)
    found = [(place, _ablation(tuple(members))) for place, members in groups]
    several = len(found) > 1
    return tuple(
        Ablation(f"{place[0]}, budget {place[1]}" if several else "", each.labels, each.parts, each.together)
        for place, each in found
        if each is not None
    )


def _place(setting: Setting) -> tuple[str, int]:
    return setting.recipe["dataset"], setting.trial.budget


def _ablation(settings: tuple[Setting, ...]) -> Ablation | None:
    every = [run for setting in settings for run in setting.runs if run.records]
    runs = [run for run in every if run.state is State.FINISHED] or every
    fields = tuple(field for field in FIELDS if len({_level(run, field) for run in runs}) > 1)
    labels = last_common(runs) if runs else 0
    if not labels or not set(fields) - {"strategy"}:
        return None
    cells: dict[Levels, dict[int, float]] = {}
    for run in runs:
        levels = tuple(_level(run, field) for field in fields)
        cells.setdefault(levels, {})[run.trial.seed] = run.curve(PRIMARY)[labels]
    plain = tuple(_plain(cells, place) for place in range(len(fields)))
    parts = tuple(part for place in range(len(fields)) for part in _contributions(cells, fields, plain, place))
    return Ablation("", labels, parts, _together(cells, plain)) if parts else None


def _level(run: Run, field: str) -> str:
    return str(getattr(run.trial, field))


def _plain(cells: Cells, place: int) -> str:
    means: dict[str, list[float]] = {}
    for levels, by_seed in cells.items():
        means.setdefault(levels[place], []).extend(by_seed.values())
    known = sorted(level for level in means if level in PLAIN)
    return known[0] if known else min(means, key=lambda level: (np.mean(means[level]), level))


def _contributions(cells: Cells, fields: Levels, plain: Levels, place: int) -> Iterator[Contribution]:
    for level in sorted({levels[place] for levels in cells} - {plain[place]}):
        pairs = [(levels, _swapped(levels, place, plain[place])) for levels in cells if levels[place] == level]
        pairs = [(mine, other) for mine, other in pairs if cells.get(other, {}).keys() & cells[mine].keys()]
        if not pairs:
            continue
        seeds = sorted(set.intersection(*(set(cells[mine]) & set(cells[other]) for mine, other in pairs)))
        contexts = tuple(
            (", ".join((*mine[:place], *mine[place + 1 :])), _difference(cells, mine, other)) for mine, other in pairs
        )
        if seeds:
            mean_S = np.mean([[cells[mine][s] - cells[other][s] for s in seeds] for mine, other in pairs], axis=0)
            yield Contribution(fields[place], level, plain[place], estimate(mean_S), contexts)


def _swapped(levels: Levels, place: int, level: str) -> Levels:
    return (*levels[:place], level, *levels[place + 1 :])


def _difference(cells: Cells, mine: Levels, other: Levels) -> Estimate:
    seeds = sorted(cells[mine].keys() & cells[other].keys())
    return estimate(np.array([cells[mine][seed] - cells[other][seed] for seed in seeds]))


def _together(cells: Cells, plain: Levels) -> Estimate | None:
    """All parts at once less none of them, where every field has just two levels."""
    others = [sorted({levels[place] for levels in cells} - {plain[place]}) for place in range(len(plain))]
    corners = list(product(*others))
    if len(corners) != 1 or not cells.get(corners[0], {}).keys() & cells.get(plain, {}).keys():
        return None
    return _difference(cells, corners[0], plain)

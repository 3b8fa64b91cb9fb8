"""A trained model measured on the evaluation splits, and on the groups of their rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import SPLITS, split_title
from labelbench_ray.embeddings.store import SplitArrays
from labelbench_ray.ledger.hits import METRIC, Hits
from labelbench_ray.tasks import Tally, Task
from labelbench_ray.tasks import _single_label_metrics as single_label
from labelbench_ray.trial.prior_shift import prior_shift_metrics
from labelbench_ray.types import BLOCK_ROWS, Floats, Labels, Model

FEWEST_ROWS: Final = 20
"""Of a group, so that it may count as the worst one: chance decides on fewer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a trained model, and the primary one of each group, by split with groups or of a further name."""

    metrics: dict[str, float]
    groups: dict[str, dict[str, float]]
    hits: Hits = field(default_factory=dict, compare=False)
    """Which rows of each split the model has right, where its accuracy is their share."""


def measure_splits(
    model: Model, splits: Mapping[str, SplitArrays], task: Task, prior_alphas: Sequence[float] = ()
) -> Measured:
    """The metrics of these splits; with groups, the worst group's primary metric and its gap to the best, too.

    The worst group is one of those with at least `FEWEST_ROWS` rows, if there is one. With `prior_alphas`, the test
    rows are measured under shifted class shares as well.
    """
    measured: dict[str, float] = {}
    groups: dict[str, dict[str, float]] = {}
    hits: dict[str, NDArray[np.bool_]] = {}
    for name, split in splits.items():
        if not len(split.labels_N):
            continue
        title = split_title(name)
        together, rates_by_group, right_N = _tallied(model, split, task, title)
        measured |= task.of_split(title, together)
        if right_N is not None and task.primary == METRIC:
            hits[title] = right_N
        if split.groups_N is not None or name not in SPLITS:
            groups[name] = rates_by_group
        if rates := _of_large_groups(groups.get(name, {}), split):
            measured[f"{title} Worst Group {task.primary}"] = min(rates)
            measured[f"{title} Group Gap"] = max(rates) - min(rates)
        if name == "test" and isinstance(together, single_label.Tally):
            shifted, draws = prior_shift_metrics(together.support_K, together.correct_K, prior_alphas)
            measured |= shifted
            groups |= draws
    return Measured(measured, groups, hits)


def _of_large_groups(rates: Mapping[str, float], split: SplitArrays) -> list[float]:
    """The rates of the groups with at least `FEWEST_ROWS` rows; of all groups where none has as many."""
    if not rates or split.groups_N is None:
        return []
    rows_G = np.bincount(split.groups_N, minlength=len(split.group_names))
    large = {name for name, rows in zip(split.group_names, rows_G.tolist(), strict=True) if rows >= FEWEST_ROWS}
    return [rate for name, rate in rates.items() if name in large] or [*rates.values()]


def _tallied(
    model: Model, split: SplitArrays, task: Task, title: str
) -> tuple[Tally, dict[str, float], NDArray[np.bool_] | None]:
    """The tally of all rows, which are scored once, block by block; each group's primary metric; which are right."""
    if task.counts_right_rows:
        return _counted(model, split, task)
    if split.groups_N is None:
        tallies_B = (task.tally(found_BK, labels_B) for _, found_BK, labels_B in _scored(model, split))
        return reduce(add, tallies_B), {}, None
    tallies: dict[int, Tally] = {}
    for rows, probabilities_BK, labels_B in _scored(model, split):
        groups_B = split.groups_N[rows]
        for group in np.unique(groups_B).tolist():
            mine = np.flatnonzero(groups_B == group)
            counts = task.tally(probabilities_BK[mine], labels_B[mine])
            tallies[group] = tallies[group] + counts if group in tallies else counts
    primary = f"{title} {task.primary}"
    found = {split.group_names[group]: task.of_split(title, counts) for group, counts in sorted(tallies.items())}
    rates = {name: float(each[primary]) for name, each in found.items() if primary in each}
    return reduce(add, tallies.values()), rates, None


def _counted(model: Model, split: SplitArrays, task: Task) -> tuple[Tally, dict[str, float], NDArray[np.bool_]]:
    """The same where right rows are counted: one tally a block, however many groups there are."""
    tallies, right_N = list[Tally](), np.empty(len(split.labels_N), np.bool_)
    for rows, probabilities_BK, labels_B in _scored(model, split):
        tallies.append(task.tally(probabilities_BK, labels_B))
        right_N[rows] = task.right_answers(probabilities_BK, labels_B) > 0
    together = reduce(add, tallies)
    if split.groups_N is None:
        return together, {}, right_N
    num_groups = len(split.group_names)
    rows_G = np.bincount(split.groups_N, minlength=num_groups)
    right_G = np.bincount(split.groups_N[right_N], minlength=num_groups)
    rates = {
        split.group_names[group]: int(right_G[group]) / int(rows_G[group]) for group in np.flatnonzero(rows_G).tolist()
    }
    return together, rates, right_N


def _scored(model: Model, split: SplitArrays) -> Iterator[tuple[slice, Floats, Labels]]:
    """The split block by block: which rows, their probabilities and labels."""
    for start in range(0, len(split.labels_N), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        yield rows, model.probabilities(np.asarray(split.embeddings_ND[rows])), split.labels_N[rows]

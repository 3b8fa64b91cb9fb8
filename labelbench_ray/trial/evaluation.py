"""A trained model measured on the evaluation splits, and on the groups of their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Final

import numpy as np

from labelbench_ray.datasets import SPLITS, split_title
from labelbench_ray.embeddings.store import SplitArrays
from labelbench_ray.tasks import Tally, Task
from labelbench_ray.tasks import _single_label_metrics as single_label
from labelbench_ray.trial.prior_shift import prior_shift_metrics
from labelbench_ray.types import BLOCK_ROWS, Model, Rows

UNGROUPED = 0
FEWEST_ROWS: Final = 20
"""Of a group, so that it may count as the worst one: chance decides on fewer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a trained model, and the primary one of each group, by split with groups or of a further name."""

    metrics: dict[str, float]
    groups: dict[str, dict[str, float]]


def measure_splits(
    model: Model, splits: Mapping[str, SplitArrays], task: Task, prior_alphas: Sequence[float] = ()
) -> Measured:
    """The metrics of these splits; with groups, the worst group's primary metric and its gap to the best, too.

    The worst group is one of those with at least `FEWEST_ROWS` rows, if there is one. With `prior_alphas`, the test
    rows are measured under shifted class shares as well.
    """
    measured: dict[str, float] = {}
    groups: dict[str, dict[str, float]] = {}
    for name, split in splits.items():
        if not len(split.labels_N):
            continue
        title, tallies = split_title(name), tally_groups(model, split, task)
        together = reduce(add, tallies.values())
        measured |= task.of_split(title, together)
        if name not in SPLITS:
            groups[name] = {}
        if split.groups_N is not None:
            by_group = {
                split.group_names[group]: task.of_split(title, counts) for group, counts in sorted(tallies.items())
            }
            primary = f"{title} {task.primary}"
            groups[name] = {group: float(each[primary]) for group, each in by_group.items() if primary in each}
        if rates := _of_large_groups(groups.get(name, {}), split):
            measured[f"{title} Worst Group {task.primary}"] = min(rates)
            measured[f"{title} Group Gap"] = max(rates) - min(rates)
        if name == "test" and isinstance(together, single_label.Tally):
            shifted, draws = prior_shift_metrics(together.support_K, together.correct_K, prior_alphas)
            measured |= shifted
            groups |= draws
    return Measured(measured, groups)


def _of_large_groups(rates: Mapping[str, float], split: SplitArrays) -> list[float]:
    """The rates of the groups with at least `FEWEST_ROWS` rows; of all groups where none has as many."""
    if not rates or split.groups_N is None:
        return []
    rows_G = np.bincount(split.groups_N, minlength=len(split.group_names))
    large = {name for name, rows in zip(split.group_names, rows_G.tolist(), strict=True) if rows >= FEWEST_ROWS}
    return [rate for name, rate in rates.items() if name in large] or [*rates.values()]


def tally_groups(model: Model, split: SplitArrays, task: Task) -> dict[int, Tally]:
    """The tally of each group's rows; of all rows if the split has no groups. Rows are scored once, block by block."""
    tallies: dict[int, Tally] = {}
    for start in range(0, len(split.labels_N), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        probabilities_BK, labels_B = model.probabilities(split.embeddings_ND[rows]), split.labels_N[rows]
        for group, mine in _members(split, rows):
            counts = task.tally(probabilities_BK[mine], labels_B[mine])
            tallies[group] = tallies[group] + counts if group in tallies else counts
    return tallies


def _members(split: SplitArrays, rows: slice) -> list[tuple[int, Rows]]:
    """Each group of these rows, with its places among them."""
    if split.groups_N is None:
        return [(UNGROUPED, slice(None))]
    groups_B = split.groups_N[rows]
    return [(group, np.flatnonzero(groups_B == group)) for group in np.unique(groups_B).tolist()]

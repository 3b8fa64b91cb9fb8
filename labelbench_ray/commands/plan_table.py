"""The table of `labelbench plan`: a line a trial or, of a large grid, a line for all seeds of a setting."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from labelbench_ray.config import Trial
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.planning.plan import PlannedTrial

ALL_SHOWN: Final = 40
"""Of grids with more trials, seeds share a line."""
FIELDS: Final = ("dataset", "encoder", "proxy", "trainer", "corrupter", "first_batch", "oracle", "rounds", "budget")
"""Shown where trials differ in them."""
UNREMARKABLE: Final = {TrialState.PLANNED, TrialState.DONE, TrialState.INCOMPLETE}
"""States that the number of rounds shows."""


def plan_table(trials: Sequence[PlannedTrial]) -> Table:
    """The trials of a plan in their order, with every setting in which they differ."""
    fields = ["strategy", *(name for name in FIELDS if len({_cell(each.parts.trial, name) for each in trials}) > 1)]
    return _groups(trials, fields) if len(trials) > ALL_SHOWN else _each(trials, fields)


def _each(trials: Sequence[PlannedTrial], fields: Sequence[str]) -> Table:
    table = Table("trial", *map(_title, fields), "seed", "rounds done", "note", box=None, pad_edge=False)
    for each in trials:
        trial = each.parts.trial
        table.add_row(
            each.parts.fingerprint,
            *(Text(_cell(trial, name)) for name in fields),
            str(trial.seed),
            f"{each.rounds_done} of {trial.rounds}",
            Text(each.progress.reason),
        )
    return table


def _groups(trials: Sequence[PlannedTrial], fields: Sequence[str]) -> Table:
    table = Table(*map(_title, fields), "trials", "done", "rounds done", "note", box=None, pad_edge=False)
    groups: dict[tuple[str, ...], list[PlannedTrial]] = {}
    for each in trials:
        groups.setdefault(tuple(_cell(each.parts.trial, name) for name in fields), []).append(each)
    for key, group in groups.items():
        table.add_row(
            *map(Text, key),
            str(len(group)),
            str(sum(each.done for each in group)),
            f"{sum(each.rounds_done for each in group):,} of {sum(each.parts.trial.rounds for each in group):,}",
            Text(_note(group)),
        )
    return table


def _note(group: Sequence[PlannedTrial]) -> str:
    """How many are in a state that the number of rounds does not show, and the reason of the first of each."""
    remarkable = [each.progress for each in group if each.progress.state not in UNREMARKABLE]
    states = Counter(progress.state for progress in remarkable)
    first = {progress.state: progress.reason for progress in reversed(remarkable)}
    return "; ".join(f"{count} {state.words}: {first[state]}" for state, count in states.items())


def _title(field: str) -> str:
    return field.replace("_", " ")


def _cell(trial: Trial, field: str) -> str:
    return str(getattr(trial, field))

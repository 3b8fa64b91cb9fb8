"""Several tasks: how many rows of which task were bought, and the predicted risk beside the measured error."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.plugins import Part
from labelbench_ray.report.curves import RANDOM, Run, Setting, last_common
from labelbench_ray.report.protocols import Ratio, ratio

STRATEGY: Final = "task_relevance"
ROWS, COST, PREDICTED, CROSS_FIT = "Source Rows", "Source Cost", "Predicted Risk to Even", "Cross-Fit Risk to Even"
SQUARED_ERROR, ACCURACY, ALONE = "Test Mean Squared Error", "Test Accuracy", "Target Alone "
MOST_TASKS: Final = 8
"""Tasks of the table of an allocation, those with the most rows first; the others are one row."""


@dataclass(frozen=True, slots=True)
class TaskRows:
    """A task's rows, means over seeds."""

    task: int | None
    """None: all other tasks together."""
    rounds: tuple[float, ...]
    """Rows bought in each round."""
    share: float | None
    """Of the rows, as the last round's heads have it; None where the record does not state it."""
    is_target: bool = False


@dataclass(frozen=True, slots=True)
class Multitask:
    """One strategy over its seeds, at the last common number of labels."""

    setting: Setting
    strategy: str
    seeds: int
    rows: float
    """Of source tasks, mean; like the next three."""
    cost: float
    tasks: float
    """How many source tasks have rows."""
    predicted: float
    """The risk that the rows leave over that of equal rows, as the heads predict it."""
    measured: Ratio | None
    """The target's test error over that of equal rows (norm=uniform, the same `costs` and `strategy`) at the same cost,
    over the seeds of both; None where there is no such trial."""
    alone: Ratio | None
    """The test error of the target's own rows alone over this one: below 1, the other tasks do harm."""
    identified: int
    """Rounds in which both halves of the rows agree on what is relevant."""
    rounds: int
    allocation: tuple[TaskRows, ...]


def multitask(settings: Sequence[Setting]) -> tuple[Multitask, ...]:
    """Every strategy over several tasks."""
    found = (_result(setting, strategy) for setting in settings for strategy in setting.strategies)
    return tuple(each for each in found if each is not None)


def _result(setting: Setting, strategy: str) -> Multitask | None:
    runs = [run for _, run in sorted(setting.by_seed(strategy).items()) if run.trial.strategy.name == STRATEGY]
    labels = last_common(runs) if runs else 0
    if not labels:
        return None
    last = [_at(run, labels) for run in runs]
    if not all(PREDICTED in record.metrics for record in last):
        return None
    even = {run.trial.seed: run for run in setting.compared if _is_even(run, runs[0])}
    pairs = [(record, even[run.trial.seed]) for run, record in zip(runs, last, strict=True) if run.trial.seed in even]
    later = [record.metrics[CROSS_FIT] for run in runs for record in _until(run, labels) if CROSS_FIT in record.metrics]
    target = runs[0].trial.strategy.settings.get("target", 0)
    sources = [{note for record in _until(run, labels) for note in record.notes} - {target} for run in runs]
    return Multitask(
        setting,
        strategy,
        len(runs),
        _mean([record.metrics[ROWS] for record in last]),
        _mean([record.metrics[COST] for record in last]),
        _mean([len(each) for each in sources]),
        _mean([record.metrics[PREDICTED] for record in last]),
        ratio([_error(record) for record, _ in pairs], [_error_at(run, record.metrics[COST]) for record, run in pairs]),
        ratio([_error(record, ALONE) for record in last], [_error(record) for record in last]),
        sum(each < 1 for each in later),
        len(later),
        _allocation(runs, labels, target if isinstance(target, int) else 0),
    )


def _is_even(run: Run, other: Run) -> bool:
    """Whether it buys equal rows, at the costs of another one and within a task by the same strategy."""
    mine, settings = run.trial.strategy, run.trial.strategy.settings
    alike = _costs_and_strategy(mine) == _costs_and_strategy(other.trial.strategy)
    return mine.name == STRATEGY and settings.get("norm") == "uniform" and alike


def _costs_and_strategy(part: Part) -> tuple[dict[str, float], Part]:
    """Costs that are not 1 by task, and the strategy within a task."""
    costs, inner = part.settings.get("costs"), part.settings.get("strategy")
    named = costs.items() if isinstance(costs, dict) else ()
    dear = {str(task): float(cost) for task, cost in named if isinstance(cost, int | float) and cost != 1}
    return dear, Part(name=RANDOM) if inner is None else Part.model_validate(inner)


def _until(run: Run, labels: int) -> list[RoundRecord]:
    return [record for record in run.records if record.num_labeled <= labels]


def _at(run: Run, labels: int) -> RoundRecord:
    return _until(run, labels)[-1]


def _error(record: RoundRecord, prefix: str = "") -> float:
    """The mean squared error on test rows, or the share of wrong answers."""
    squared = record.metrics.get(f"{prefix}{SQUARED_ERROR}")
    return 1 - record.metrics.get(f"{prefix}{ACCURACY}", 1.0) if squared is None else squared


def _error_at(run: Run, cost: float) -> float:
    """The error of a trial once its source rows have cost so much, between its rounds and at most at its last one."""
    points = sorted((record.metrics.get(COST, 0.0), _error(record)) for record in run.records)
    return float(np.interp(cost, [each for each, _ in points], [error for _, error in points]))


def _allocation(runs: Sequence[Run], labels: int, target: int) -> tuple[TaskRows, ...]:
    """The tasks with the most rows, and all others together."""
    rounds = [[Counter(record.notes) for record in _until(run, labels)] for run in runs]
    total = sum((each for run in rounds for each in run), Counter[int]())
    shown = [task for task, _ in total.most_common(MOST_TASKS)]
    length = min(len(each) for each in rounds)

    def bought(tasks: Sequence[int]) -> tuple[float, ...]:
        return tuple(_mean([sum(run[number][task] for task in tasks) for run in rounds]) for number in range(length))

    others = [task for task in total if task not in shown]
    rows = [TaskRows(task, bought([task]), _share(runs, labels, task), task == target) for task in shown]
    return (*rows, *([TaskRows(None, bought(others), None)] if others else []))


def _share(runs: Sequence[Run], labels: int, task: int) -> float | None:
    each = [_at(run, labels).metrics.get(f"Share of Task {task}") for run in runs]
    known = [share or 0.0 for share in each]
    return _mean(known) if any(share is not None for share in each) else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

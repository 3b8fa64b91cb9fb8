"""Columns that several tables share: which trial a row is of, what was measured, what it cost and which code made it.

Tables are pyarrow's. What is not known is null, never 0, NaN or "".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.datasets import split_title
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report.curves import RECIPE, Experiment, Run, Setting

TEXT, WHOLE, NUMBER, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TIME: Final = pa.timestamp("ms", tz="UTC")
Columns = dict[str, Any]
"""By name, arrays of equal length."""


@dataclass(frozen=True, slots=True)
class Member:
    """A trial within its experiment and setting."""

    experiment: str
    title: str
    """The setting's, as the report names it."""
    setting: Setting
    run: Run
    strategy: str


def members(experiments: Iterable[Experiment]) -> list[Member]:
    """Every trial of these experiments, in the report's order."""
    return [
        Member(experiment.name, title, setting, run, run.strategy)
        for experiment in experiments
        for title, setting in zip(experiment.titles, experiment.settings, strict=True)
        for run in setting.runs
    ]


def column(kind: Any, values: Iterable[Any]) -> Any:  # noqa: ANN401  pyarrow has no types
    """One column of a type."""
    return pa.array(values if isinstance(values, list) else list(values), kind)


def identity(of: Sequence[Member]) -> Columns:
    """Which trial a row is of, in short."""
    return {
        "experiment": column(TEXT, (each.experiment for each in of)),
        "setting": column(TEXT, (each.title for each in of)),
        "strategy": column(TEXT, (each.strategy for each in of)),
        "seed": column(WHOLE, (each.run.trial.seed for each in of)),
        "fingerprint": column(TEXT, (each.run.fingerprint for each in of)),
    }


def recipe(of: Sequence[Member]) -> Columns:
    """Every field that makes the setting, with all given settings."""
    texts = {field: column(TEXT, (each.setting.recipe[field] for each in of)) for field in RECIPE if field != "budget"}
    return texts | {"budget": column(WHOLE, (each.run.trial.budget for each in of))}


def measured(runs: Sequence[Run], records: Sequence[RoundRecord | None]) -> Columns:
    """A column for each metric under its own name, and one for each group of an evaluation split.

    Args:
        runs: the trial of each record.
        records: None gives a row of nulls.
    """
    metrics = spread([record.metrics if record else {} for record in records])
    groups = spread([_groups(run, record) for run, record in zip(runs, records, strict=True)])
    return metrics | groups


def seconds(spent: Sequence[Mapping[str, Mapping[str, float]]]) -> Columns:
    """Wall, CPU and GPU seconds: in all, and by stage; `spent`: a row's seconds by clock and stage."""
    columns: Columns = {}
    for clock in ("wall", "cpu", "gpu"):
        stages = [row[clock] for row in spent]
        columns[f"{clock}_seconds"] = column(NUMBER, (sum(row.values()) for row in stages))
        columns |= {f"{stage}_{clock}_seconds": values for stage, values in spread(stages).items()}
    return columns


def versions(stated: Sequence[Mapping[str, str]]) -> Columns:
    """A column for each package whose version is stated."""
    return {f"version_{name.replace('-', '_')}": values for name, values in spread(stated, TEXT).items()}


def spread(rows: Sequence[Mapping[str, Any]], kind: Any = NUMBER) -> Columns:  # noqa: ANN401  pyarrow has no types
    """A column for each key of any row, in the order of their first appearance; null where a row lacks it."""
    keys = tuple(dict.fromkeys(key for shape in dict.fromkeys(map(tuple, rows)) for key in shape))
    lines = [tuple([row.get(key) for key in keys]) for row in rows]
    return {key: column(kind, values) for key, values in zip(keys, zip(*lines, strict=True), strict=True)}


def finite(value: float) -> float | None:
    """The value, or null."""
    return value if isfinite(value) else None


def joined(*parts: Columns) -> Any:  # noqa: ANN401  pyarrow has no types
    """The table of these columns; a metric that is named as an earlier column gets `metric_` before its name."""
    columns: Columns = {}
    for part in parts:
        for name, values in part.items():
            columns[f"metric_{name}" if name in columns else name] = values
    return pa.table(columns)


def _groups(run: Run, record: RoundRecord | None) -> dict[str, float]:
    if record is None or not record.groups:
        return {}
    primary = run.metrics[0].removeprefix("Test ")
    return {
        f"{split_title(split)} {primary}, group {group}": value
        for split, groups in record.groups.items()
        for group, value in groups.items()
    }

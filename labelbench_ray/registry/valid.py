"""What both tables of a registry must be, with ledgers or without.

Nothing is missing or impossible, and every round states the metric that decides.
"""

from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray import tasks
from labelbench_ray.errors import RegistryError
from labelbench_ray.registry.archive import HOW
from labelbench_ray.tasks import Task

AGAIN: Final = f"run the trial again, and {HOW}"
MAY_LACK: Final = {"imbalance", "price", "currency", "split"}
"""Columns that may hold nulls."""
LEAST: Final = {"seed": 0, "budget": 1, "rounds": 1, "num_labels": 1}
SECONDS: Final = ("wall_seconds", "cpu_seconds", "gpu_seconds")
ROUNDING: Final = 1e-6
"""By how much a value may pass the end of its range: probabilities are float32, and sums of times are rounded."""
LARGEST_COST: Final = 1e12
LARGEST_VALUE: Final = 1e50
"""Of metrics that have no largest value: their squares are summed."""
LAST_TIME: Final = 32_503_680_000_000
"""The year 3000, in milliseconds."""
Mask = NDArray[np.bool_]


def check_trials(file: Path, trials: Any) -> None:  # noqa: ANN401  pyarrow has no types
    """Refuse a table of trials with a missing or impossible value.

    Raises:
        RegistryError: names the file, the trial, the value and the rule.
    """
    if not trials.num_rows:
        raise RegistryError(f"{file}: holds no trial; {HOW}")
    _check_nulls(file, trials)
    _refuse_first(file, trials, _repeated(_codes(trials["fingerprint"])), "is there twice")
    for name, least in LEAST.items():
        _check_range(file, trials, name, least, np.inf)
    for name in {"imbalance", "price"}.intersection(trials.column_names):
        _check_range(file, trials, name, 0, LARGEST_COST)
    if "price" in trials.column_names:
        odd_N = trials["price"].is_null().to_numpy() != trials["currency"].is_null().to_numpy()
        _refuse_first(file, trials, odd_N, "states one of price and currency; both or neither")
    finished_N = trials["finished"].cast(pa.int64()).to_numpy()
    late_N = (finished_N < 0) | (finished_N >= LAST_TIME)
    _refuse_first(file, trials, late_N, "finished is before 1970 or after 2999")
    for name in SECONDS:
        odd = [not all(is_cost(value) for _, value in row) for row in trials[name].to_pylist()]
        rule = f"{name} has a value that is no time; each is from 0 to {LARGEST_COST:g}"
        _refuse_first(file, trials, np.array(odd), rule)
    missing = [any(version is None for _, version in row) for row in trials["versions"].to_pylist()]
    _refuse_first(file, trials, np.array(missing), "versions lacks one of its values")
    for name, task, metric in zip(
        *(trials[each].to_pylist() for each in ("fingerprint", "task", "metric")), strict=True
    ):
        if trouble := metric_trouble(task, metric):
            raise RegistryError(f"{file}: trial {name}: {trouble}; {HOW}")
    _check_metrics(file, trials, trials["task"])


def check_rounds(file: Path, rounds: Any, trials_file: Path, trials: Any) -> None:  # noqa: ANN401
    """Refuse a table of rounds with a missing or impossible value; `trials` was checked.

    Raises:
        RegistryError: names the file, the trial, the round, the value and the rule.
    """
    _check_nulls(file, rounds)
    place_R = pc.index_in(rounds["fingerprint"], trials["fingerprint"].combine_chunks())
    _refuse_first(file, rounds, place_R.is_null().to_numpy(), f"{trials_file.name} holds no such trial")
    place_R = place_R.to_numpy()
    rounds_N, round_R = trials["rounds"].to_numpy(), rounds["round"].to_numpy()
    late_R = (round_R < 0) | (round_R >= rounds_N[place_R])
    _refuse_first(file, rounds, late_R, "has another number than the trial's rounds, from 0")
    metric_R = _codes(rounds["metric"])
    repeated_R = _repeated(place_R, round_R, metric_R)
    if repeated_R.any():
        first = int(np.flatnonzero(repeated_R)[0])
        same_R = (place_R == place_R[first]) & (round_R == round_R[first]) & (metric_R == metric_R[first])
        _refuse_first(file, rounds, repeated_R, f"is there {same_R.sum()} times")
    _check_metrics(file, rounds, trials["task"].take(place_R))
    decides_R = pc.equal(rounds["metric"], trials["metric"].take(place_R)).to_numpy()
    lacking_N = np.bincount(place_R[decides_R], minlength=len(rounds_N)) != rounds_N
    if lacking_N.any():
        place = int(np.flatnonzero(lacking_N)[0])
        seen = {*round_R[decides_R & (place_R == place)].tolist()}
        number = next(each for each in count() if each not in seen)
        raise RegistryError(
            f"{file}: trial {trials['fingerprint'][place]}, round {number}: is without {trials['metric'][place]}, the "
            f"metric that decides; every round states it; {HOW}"
        )


def metric_trouble(task: str, metric: str) -> str:
    """Why a metric cannot decide trials of a task; "" where it can. Any can where the task does not ship here."""
    known = shipped_task(task)
    if known is None:
        return "" if metric else "no metric decides; the first of its traits' metrics does"
    if metric == known.shown[0]:
        return ""
    return f"the metric that decides is {metric or 'missing'}; trials of task {task} are decided by {known.shown[0]}"


@cache
def shipped_task(name: str) -> Task | None:
    """A task that ships here; no module that a stranger names is imported."""
    return tasks.create(name) if name in tasks.names() else None


def is_cost(value: float | None) -> bool:
    """Whether seconds or money can be this."""
    return value is not None and -ROUNDING <= value <= LARGEST_COST


def _check_nulls(file: Path, table: Any) -> None:  # noqa: ANN401
    for name in table.column_names:
        if name not in MAY_LACK and table[name].null_count:
            _refuse_first(file, table, table[name].is_null().to_numpy(), f"{name} is null; every row has a value")


def _check_range(file: Path, table: Any, name: str, least: float, most: float) -> None:  # noqa: ANN401
    values_R = pc.fill_null(table[name], least).to_numpy()
    odd_R = ~((values_R >= least - ROUNDING) & (values_R <= most))
    _refuse_value(file, table, odd_R, name, least, most)


def _check_metrics(file: Path, table: Any, task: Any) -> None:  # noqa: ANN401
    """Each `value` lies in the range of its metric. A range is looked up once for each task and metric."""
    metric, task = (column.combine_chunks().dictionary_encode() for column in (table["metric"], task))
    pair_R = task.indices.to_numpy().astype(np.int64) * len(metric.dictionary) + metric.indices.to_numpy()
    pair_P, place_R = np.unique(pair_R, return_inverse=True)
    task_P, metric_P = np.divmod(pair_P, max(1, len(metric.dictionary)))
    ranges_P2 = np.array(
        [
            _range(task.dictionary[one].as_py(), metric.dictionary[other].as_py())
            for one, other in zip(task_P, metric_P, strict=True)
        ],
    ).reshape(-1, 2)
    least_R, most_R = ranges_P2[place_R].T
    value_R = table["value"].to_numpy()
    odd_R = ~((value_R >= least_R - ROUNDING) & (value_R <= most_R + ROUNDING))
    if odd_R.any():
        first = int(np.flatnonzero(odd_R)[0])
        _refuse_value(file, table, odd_R, "value", least_R[first], most_R[first])


def _range(task: str, metric: str) -> tuple[float, float]:
    known = shipped_task(task)
    least, most = known.range_of(metric) if known else (-np.inf, np.inf)
    return max(least, -LARGEST_VALUE), min(most, LARGEST_VALUE)


def _codes(column: Any) -> NDArray[np.int32]:  # noqa: ANN401
    """A number for each value, the same for equal ones."""
    codes_R: NDArray[np.int32] = column.combine_chunks().dictionary_encode().indices.to_numpy()
    return codes_R


def _repeated(*keys: NDArray[np.integer[Any]]) -> Mask:
    """(R,) which rows have the keys of an earlier one."""
    order_R = np.lexsort(keys[::-1])
    same_R = np.all([key[order_R][1:] == key[order_R][:-1] for key in keys], axis=0)
    repeated_R = np.zeros(len(order_R), np.bool_)
    repeated_R[order_R[1:]] = same_R
    return repeated_R


def _refuse_value(file: Path, table: Any, odd_R: Mask, name: str, least: float, most: float) -> None:  # noqa: ANN401
    if odd_R.any():
        value = table[name][int(np.flatnonzero(odd_R)[0])].as_py()
        bounds = f"is at least {least:g}" if most == np.inf else f"is from {least:g} to {most:g}"
        _refuse_first(file, table, odd_R, f"{name} is {value}; it {bounds}", AGAIN)


def _refuse_first(file: Path, table: Any, odd_R: Mask, trouble: str, fix: str = HOW) -> None:  # noqa: ANN401
    if odd_R.any():
        row = int(np.flatnonzero(odd_R)[0])
        where = f"trial {table['fingerprint'][row]}"
        if "round" in table.column_names:
            where += f", round {table['round'][row]}, {table['metric'][row]}"
        raise RegistryError(f"{file}: {where}: {trouble}; {fix}")

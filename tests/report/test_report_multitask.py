"""The report's section on several tasks: what was bought of which task, predicted beside measured risk."""

from typing import Any

import pytest

from labelbench_ray.config import Part, Trial
from labelbench_ray.ledger.records import RoundRecord, Traits
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report.curves import Run, settings_of
from labelbench_ray.report.multitask import multitask

TARGET = 9
TRAITS = Traits(metrics=("Test R2",))


def record(number: int, notes: list[int], error: float, cost: float, cross_fit: float, **more: float) -> RoundRecord:
    return RoundRecord(
        fingerprint="0" * 16,
        round=number,
        chosen=tuple(range(10 * number, 10 * number + len(notes))),
        labels=tuple(0.0 for _ in notes),
        notes=tuple(notes),
        num_labeled=10 * (number + 1),
        metrics={
            "Test R2": 1 - error,
            "Test Mean Squared Error": error,
            "Target Alone Test Mean Squared Error": 0.6,
            "Source Rows": 10.0 * (number + 1),
            "Source Cost": cost,
            "Predicted Risk to Even": 0.5,
            "Cross-Fit Risk to Even": cross_fit,
            **more,
        },
        seconds={},
        cpu_seconds=0,
        cpu={},
        gpu={},
        bytes_written=0,
        finished=0,
        proxy="",
    )


def run(seed: int, norm: str, records: list[RoundRecord], **settings: Any) -> Run:
    strategy = Part.of("task_relevance", target=TARGET, norm=norm, **settings)
    trial = Trial(
        dataset="digits", encoder="pixels", strategy=strategy, seed=seed, rounds=2, budget=10, first_batch=strategy
    )
    trial = trial.model_copy(update={"first_batch": Part.of("task_relevance", target=TARGET)})
    return Run(trial, f"{seed}{strategy}", TrialState.DONE, records=tuple(records), recorded_traits=TRAITS)


def test_rows_risk_and_error_are_those_of_the_ledgers():
    runs = []
    for seed in range(2):
        even = [record(0, [9, 9, 0, 1, 2, 3, 4, 5, 6, 7], 0.8, 10, 1.0), record(1, [*range(9), 0], 0.4, 20, 1.0)]
        first, last = [9, 9, 0, 1, 2, 3, 4, 5, 6, 7], [0] * 9 + [1]
        mine = [record(0, first, 0.8, 10, 1.2), record(1, last, 0.3, 15, 0.7, **{"Share of Task 0": 0.9})]
        runs += [run(seed, "uniform", even), run(seed, "l1", mine)]
    l1, uniform = multitask(settings_of(runs))
    assert (l1.seeds, l1.rows, l1.cost, l1.tasks, l1.predicted) == (2, 20, 15, 8, 0.5)
    assert l1.measured is not None
    assert l1.measured.value == pytest.approx(0.3 / 0.6)  # equal rows at a cost of 15: halfway between 0.8 and 0.4
    assert l1.alone is not None
    assert l1.alone.value == pytest.approx(2)
    assert (l1.identified, l1.rounds) == (2, 4)
    most, *_ = l1.allocation
    assert (most.task, most.rounds, most.share) == (0, (1, 9), 0.9)
    (target,) = [each for each in l1.allocation if each.is_target]
    assert (target.task, target.rounds) == (TARGET, (2, 0))
    assert sum(sum(each.rounds) for each in l1.allocation) == 20
    assert uniform.measured is not None
    assert uniform.measured.value == 1


@pytest.mark.parametrize(
    ("mine", "even", "pairs"),
    [
        ({}, {"costs": {"3": 4.0}}, False),
        ({"costs": {"3": 4.0}}, {}, False),
        ({"costs": {"3": 4.0}}, {"costs": {"3": 4.0, "5": 1.0}}, True),
        ({"strategy": "coreset"}, {}, False),
        ({"strategy": "coreset"}, {"strategy": {"name": "coreset"}}, True),
        ({"strategy": "random"}, {}, True),
    ],
)
def test_equal_rows_of_other_costs_or_another_strategy_are_no_baseline(mine: Any, even: Any, pairs: bool):
    rounds = [record(0, [9, *range(9)], 0.8, 10, 1.0)]
    runs = [run(seed, norm, rounds, **each) for seed in range(2) for norm, each in (("l1", mine), ("uniform", even))]
    (l1,) = [each for each in multitask(settings_of(runs)) if "l1" in each.strategy]
    assert (l1.measured is not None) == pairs


def test_other_strategies_have_no_such_section():
    trial = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=10)
    records = (record(0, [0] * 10, 0.5, 10, 1.0),)
    assert multitask(settings_of([Run(trial, "a", TrialState.DONE, records=records, recorded_traits=TRAITS)])) == ()

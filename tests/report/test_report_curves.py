"""What is read from an experiment's folder: nothing is dropped, nothing is mixed."""

import pytest

from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report.curves import differing, read
from labelbench_ray.report.statistics.comparison import compare

RISING = [0.5, 0.6, 0.7, 0.75, 0.8]


def test_states_and_their_reasons(experiment):
    experiment.add("random", 0, RISING)
    experiment.add("random", 1, RISING[:2])
    experiment.add("margin", 0, RISING[:3], error="MemoryError: 3 GiB\n asked for")
    damaged = experiment.add("margin", 1, RISING)
    experiment.plan("margin", 2)
    (damaged / "rounds" / "001.json").write_text("{")
    (setting,) = read(experiment.write()).settings
    states = {(run.strategy, run.trial.seed): run for run in setting.runs}
    assert [run.state for run in states.values()] == [
        TrialState.DONE,
        TrialState.INCOMPLETE,
        TrialState.FAILED,
        TrialState.DAMAGED,
        TrialState.PLANNED,
    ]
    assert states["random", 1].reason == ""
    assert states["margin", 0].reason == "MemoryError: 3 GiB asked for"
    assert "001.json" in states["margin", 1].reason
    assert [run.trial.seed for run in setting.compared] == [0]


def test_a_folder_of_another_trial(experiment):
    folder = experiment.add("random", 0, RISING)
    experiment.add("random", 1, RISING).replace(folder.with_name("aside"))
    folder.replace(folder.with_name(experiment.entries[1].fingerprint))
    (setting,) = read(experiment.write()).settings
    assert [run.state for run in setting.runs] == [TrialState.PLANNED, TrialState.DAMAGED]


def test_a_folder_without_a_grid_is_refused(tmp_path):
    with pytest.raises(LedgerError, match=r"experiment\.json"):
        read(tmp_path)


def test_budgets_are_settings_of_their_own_in_order(experiment):
    for budget in (20, 3, 100):
        experiment.add("random", 0, RISING, budget=budget)
    found = read(experiment.write())
    assert [setting.recipe["budget"] for setting in found.settings] == ["3", "20", "100"]
    assert differing(found.settings) == ("budget",)


def test_settings_of_a_strategy_are_strategies_of_their_own(experiment):
    experiment.add("random", 0, RISING)
    for keep in (2, 3):
        experiment.add({"name": "badge", "settings": {"keep": keep}}, 0, RISING)
    assert read(experiment.write()).strategies == ("random", "badge(keep=2)", "badge(keep=3)")


def test_the_same_trial_with_more_rounds_is_read_once(experiment):
    experiment.add("random", 0, RISING, rounds=5)
    experiment.plan("random", 0, rounds=3)
    (setting,) = read(experiment.write()).settings
    (run,) = setting.runs
    assert (run.trial.rounds, run.state) == (5, TrialState.DONE)


def test_fewer_rounds_asked_for_than_recorded_is_finished(experiment):
    experiment.add("random", 0, RISING)
    experiment.entries.clear()
    experiment.plan("random", 0, rounds=3)
    (setting,) = read(experiment.write()).settings
    assert setting.runs[0].state is TrialState.DONE


def test_comparison_stops_where_all_still_run(experiment):
    for seed in range(3):
        experiment.add("random", seed, RISING[:3], rounds=3)
        experiment.add("margin", seed, RISING)
    (setting,) = read(experiment.write()).settings
    assert compare(setting, "Test Accuracy").labels == (10, 20, 30)


def test_unfinished_trials_do_not_shorten_the_comparison(experiment):
    for seed in range(3):
        experiment.add("random", seed, RISING)
        experiment.add("margin", seed, RISING[:1] if seed else RISING)
    (setting,) = read(experiment.write()).settings
    compared = compare(setting, "Test Accuracy")
    assert compared.labels == (10, 20, 30, 40, 50)
    assert compared.row("margin").difference.seeds == (0,)


def test_only_common_seeds_are_paired(experiment):
    for seed in (0, 1, 2):
        experiment.add("random", seed, RISING)
    for seed in (1, 2, 3):
        experiment.add("margin", seed, [value + 0.1 * seed for value in RISING])
    (setting,) = read(experiment.write()).settings
    row = compare(setting, "Test Accuracy").row("margin")
    assert row.curves.seeds == (1, 2, 3)
    assert row.difference.seeds == (1, 2)
    assert row.difference.final.value == pytest.approx(0.15)


def test_a_metric_that_nobody_recorded(experiment):
    experiment.add("random", 0, RISING)
    (setting,) = read(experiment.write()).settings
    assert compare(setting, "Balanced Test Accuracy") is None

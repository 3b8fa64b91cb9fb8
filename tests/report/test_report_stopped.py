"""Trials that were stopped early are named, left out of what is compared, and what that biases is said."""

import pytest

from labelbench_ray.exports.document import document
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report import build
from labelbench_ray.report.page import page

RISING = [0.5, 0.6, 0.7, 0.75, 0.8]


def grid_with(experiment, *stopped):
    """Three strategies of three seeds each, these (strategy, seed) ended after three rounds."""
    for strategy, lift in (("random", 0.0), ("margin", 0.05), ("entropy", 0.02)):
        for seed in range(3):
            ended = (strategy, seed) in stopped
            values = [value + lift + seed / 100 for value in RISING]
            experiment.add(strategy, seed, values[:3] if ended else values, stopped=ended)
    return build(experiment.write())


def caution(report):
    (section,) = report.sections
    return next((each.text for each in section.cautions if each.title == "Early stopping was on"), "")


def test_without_stopped_trials_nothing_is_said(experiment):
    assert caution(grid_with(experiment)) == ""


def test_stopped_trials_are_named_and_left_out_like_unfinished_ones(experiment):
    report = grid_with(experiment, ("margin", 0), ("margin", 2))
    (section,) = report.sections
    stopped = [run for run in section.setting.runs if run.state is TrialState.STOPPED_EARLY]
    assert [(run.strategy, run.trial.seed) for run in stopped] == [("margin", 0), ("margin", 2)]
    assert not any(run in section.setting.compared for run in stopped)
    assert section.setting.by_seed("margin").keys() == {1}
    text = caution(report)
    assert "margin (seeds 0 and 2)" in text
    assert "stronger seeds alone for margin, which favors it" in text
    assert "baseline" not in text
    assert {row["state"] for row in document(report)["trials"]} == {"done", "stopped_early"}
    shown = page(report)
    assert "stopped early after 3 of 5 rounds: behind" in shown
    assert "Early stopping was on" in shown


def test_a_strategy_without_a_trial_that_ran_to_the_end_is_not_judged(experiment):
    report = grid_with(experiment, *(("entropy", seed) for seed in range(3)), ("margin", 1))
    text = caution(report)
    assert "No trial of entropy ran to the end" in text
    assert "stronger seeds alone for margin" in text
    assert report.sections[0].main.row("entropy") is None


@pytest.mark.parametrize(
    ("seeds", "phrase"),
    [((1,), "the savings of the others look smaller"), ((0, 1, 2), "without random there is no baseline")],
)
def test_the_effect_of_a_stopped_baseline_is_stated(experiment, seeds, phrase):
    assert phrase in caution(grid_with(experiment, *(("random", seed) for seed in seeds)))


def test_a_failure_after_it_was_stopped_is_reported_instead(experiment):
    experiment.add("margin", 0, RISING[:3], stopped=True, error="MemoryError: no")
    (run,) = build(experiment.write()).sections[0].setting.runs
    assert (run.state, run.reason) == (TrialState.FAILED, "MemoryError: no")

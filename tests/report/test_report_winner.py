"""What the best of several strategies gains and saves where the other seeds choose it."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.api.export import export
from labelbench_ray.report import build
from labelbench_ray.report.statistics.power import more_seeds
from labelbench_ray.report.statistics.winner import chosen_by_others, cross_fitted
from labelbench_ray.tracking.summary import read_summary

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
RISING = np.array([0.5, 0.6, 0.7, 0.75, 0.8])
LIFTED = np.array([0, 1, 1, 1, 1])
LUCKY = {"random": [0.0] * 4, "margin": [0.10, 0.06, 0.06, 0.06], "badge": [0.065, 0.064, 0.066, 0.065]}
"""margin is the best by the luck of seed 0; the other seeds choose badge for it."""


def lifted(experiment, lifts, first=0):
    for strategy, of_seeds in lifts.items():
        for seed, lift in enumerate(of_seeds, first):
            experiment.add(strategy, seed, (RISING + lift * LIFTED).tolist())
    return experiment


def section_of(experiment):
    (section,) = build(experiment.write()).sections
    return section


def test_each_seed_has_no_part_in_its_own_choice():
    areas_MS = np.random.default_rng(0).normal(size=(6, 5))
    chosen_S = chosen_by_others(areas_MS)
    for seed in range(5):
        assert chosen_S[seed] == np.delete(areas_MS, seed, axis=1).mean(axis=1).argmax()
        changed_MS = areas_MS.copy()
        changed_MS[:, seed] = 100 * np.random.default_rng(seed).normal(size=6)
        assert chosen_by_others(changed_MS)[seed] == chosen_S[seed]


@pytest.mark.parametrize(("strategies", "seeds"), [(2, 3), (4, 5), (25, 3), (25, 10)])
def test_the_best_of_equal_strategies_flatters_and_that_of_the_other_seeds_does_not(strategies, seeds):
    rng, draws = np.random.default_rng(strategies + seeds), 2_000
    same, others = [], []
    for _ in range(draws):
        areas_MS = rng.normal(size=(strategies, seeds))
        same.append(areas_MS.mean(axis=1).max())
        others.append(areas_MS[chosen_by_others(areas_MS), np.arange(seeds)].mean())
    error = np.std(others) / draws**0.5
    assert abs(np.mean(others)) < 3.5 * error
    assert np.mean(same) > 10 * error


def test_the_luck_of_one_seed_is_left_out(experiment):
    section = section_of(lifted(experiment, LUCKY))
    fitted = section.verdict.winner
    assert fitted.chosen == ("badge", "margin", "margin", "margin")
    area = 0.875  # of LIFTED, over the labels
    assert fitted.gain == pytest.approx(area * np.mean([0.065, 0.06, 0.06, 0.06]))
    assert fitted.final_gain == pytest.approx(np.mean([0.065, 0.06, 0.06, 0.06]))
    saved = section.main.row("margin").difference.saving
    assert 0 < fitted.saving.fraction < saved.fraction
    assert (section.verdict.headline, section.verdict.choice) == ("Use margin.", "margin")
    assert (
        "Chosen by the other seeds (margin for 3 and badge for 1 of 4), the best strategy gains +5.4 points and saves "
        f"{100 * fitted.saving.fraction:.0f}\u00a0% of the labels. With the seeds that chose it, margin reaches "
        "random's highest mean accuracy (80.0\u00a0%) with"
    ) in section.verdict.detail


def test_where_the_other_seeds_agree_nothing_changes(planted):
    (section,) = build(planted()).sections
    fitted, row = section.verdict.winner, section.main.row("margin")
    assert fitted.times == {"margin": 5}
    assert fitted.gain == pytest.approx(row.difference.area.value)
    assert fitted.saving.labels == row.difference.saving.labels
    assert (
        "For every seed the other seeds choose it, too: chosen that way, its gain and saving are the same. It reaches "
        "random's highest mean accuracy"
    ) in section.verdict.detail


def test_one_strategy_is_no_choice(experiment):
    section = section_of(lifted(experiment, {name: LUCKY[name] for name in ("random", "margin")}))
    assert section.verdict.choice == "margin"
    assert section.verdict.winner is None
    assert "other seeds" not in section.verdict.detail
    assert "It reaches random's" in section.verdict.detail


@pytest.mark.parametrize("seeds", [1, 2])
def test_with_one_or_two_seeds_no_winner_is_stated(experiment, seeds):
    section = section_of(lifted(experiment, {name: lifts[:seeds] for name, lifts in LUCKY.items()}))
    assert section.verdict.headline == "Too few seeds to decide."
    assert section.verdict.winner is None
    assert cross_fitted(section.main, section.main.row("margin")) is None
    assert "other seeds" not in section.verdict.detail


def test_three_seeds_choose_by_two(experiment):
    section = section_of(lifted(experiment, {name: lifts[:3] for name, lifts in LUCKY.items()}))
    assert section.verdict.winner.chosen == ("badge", "margin", "margin")


def test_strategies_that_lack_seeds_of_the_winner_are_no_candidates(experiment):
    lifted(experiment, LUCKY | {"badge": LUCKY["badge"][:3]})
    section = section_of(experiment)
    assert section.verdict.winner.candidates == 1
    assert (
        "No other strategy has all of its seeds, so how much the choice of the best one flatters is not known. With "
        "the seeds that chose it, margin reaches"
    ) in section.verdict.detail
    assert not [name for name in read_summary(experiment.folder).metrics if "other seeds" in name]


def test_more_seeds_of_another_strategy_do_not_count(experiment):
    lifted(experiment, LUCKY | {"badge": [*LUCKY["badge"], 0.2, 0.2]})
    section = section_of(experiment)
    assert {row.strategy: row.difference.seeds for row in section.main.rows if row.difference} == {
        "margin": (0, 1, 2, 3),
        "badge": (0, 1, 2, 3),
    }
    assert section.verdict.winner.seeds == (0, 1, 2, 3)


def test_rounds_that_one_trial_lacks_are_left_out(experiment):
    for strategy, lifts in LUCKY.items():
        for seed, lift in enumerate(lifts):
            values = (RISING + lift * LIFTED)[: 4 if (strategy, seed) == ("badge", 2) else 5]
            experiment.add(strategy, seed, values.tolist(), rounds=len(values))
    section = section_of(experiment)
    assert section.main.labels == (10, 20, 30, 40)
    assert section.verdict.winner.chosen == ("badge", "margin", "margin", "margin")
    assert section.verdict.winner.saving.last_labels == 40


def test_a_target_that_the_other_seeds_do_not_reach(experiment):
    """Better over the curve, at the end only with the seed that chose it."""
    for seed, (first, second) in enumerate(zip([0.3, 0.02, 0.02, 0.02], [0.06, 0.05, 0.06, 0.05], strict=True)):
        experiment.add("random", seed, RISING.tolist())
        experiment.add("margin", seed, [0.5, 0.6 + first, 0.7 + first, 0.75 + first, 0.801 if first > 0.1 else 0.8])
        experiment.add("badge", seed, [0.5, 0.6 + second, 0.7 + second, 0.74 + second, 0.79])
    (section,) = build(experiment.write()).sections
    fitted = cross_fitted(section.main, section.main.row("margin"))
    assert fitted.chosen[0] == "badge"
    assert not fitted.saving.reached


UNSURE = {
    "random": [0.0] * 5,
    "margin": [0.2, 0.0, 0.01, 0.02, -0.01],
    "badge": [0.03, 0.06, -0.03, 0.05, -0.01],
}
"""Neither is better for sure; margin comes first by the luck of seed 0."""


def test_more_seeds_are_planned_for_the_gain_that_the_other_seeds_choose(experiment):
    section = section_of(lifted(experiment, UNSURE))
    fitted, area = (
        cross_fitted(section.main, section.main.row("margin")),
        section.main.row("margin").difference.area,
    )
    assert 0 < fitted.gain < area.value
    assert section.verdict.headline == "No strategy is significantly better than random."
    planned, flattered = more_seeds(replace(area, value=fitted.gain)), more_seeds(area)
    assert planned != flattered
    text = f"Chosen by the other seeds, the best strategy gains {100 * fitted.gain:+.1f} points. {planned}"
    assert text in section.verdict.detail


def test_without_a_gain_by_the_other_seeds_no_number_of_seeds_is_stated(experiment):
    section = section_of(lifted(experiment, UNSURE | {"margin": [0.2, 0.0, -0.01, -0.02, -0.01]}))
    assert cross_fitted(section.main, section.main.row("margin")).gain <= 0
    assert "margin may come first by chance, and how many seeds would decide is not known." in section.verdict.detail
    assert "would detect" not in section.verdict.detail


def test_mlflow_and_json_have_both(experiment, tmp_path):
    folder = lifted(experiment, LUCKY).write()
    metrics = read_summary(folder).metrics
    gain, saved = (metrics[f"Verdict/chosen by the other seeds {name}"] for name in ("gain in points", "labels saved"))
    assert 0 < gain < metrics["Verdict/margin gain in points"]
    assert 0 < saved < metrics["Verdict/margin labels saved"]
    export(folder, tmp_path, ["json"])
    (setting,) = json.loads((tmp_path / "test.grid.json").read_text("utf-8"))["settings"]
    assert setting["chosen_by_other_seeds"]["chosen"] == ["badge", "margin", "margin", "margin"]
    assert 100 * setting["chosen_by_other_seeds"]["gain"] == pytest.approx(gain)


def test_the_simulation_runs(monkeypatch, capfd):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("winners_curse").main(["--tiny"])
    equal, one = json.loads(capfd.readouterr().out)["measured"]["cells"]
    found = {name: each["gain"]["bias"] for name, each in equal["estimates"].items()}
    assert found["same_seeds"] > found["shrunken"] > found["other_seeds"]
    assert min(cell["intervals"]["at_once"]["held"] for cell in (equal, one)) >= 0.85

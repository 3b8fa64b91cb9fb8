"""The answer and the cautions that go with it."""

import numpy as np
import pytest

from labelbench_ray.report import build
from labelbench_ray.report.statistics import estimate
from labelbench_ray.report.verdict import MOST_SEEDS, more_seeds, seeds_needed

RISING = np.array([0.5, 0.6, 0.7, 0.75, 0.8])


def titles(section):
    return {caution.title for caution in section.cautions}


def grid_of(experiment, strategies, seeds=5, wobble=0.0):
    for number, (strategy, lift) in enumerate(strategies.items()):
        noise = wobble * np.random.default_rng(number).normal(size=seeds)
        for seed in range(seeds):
            experiment.add(strategy, seed, (RISING + lift * np.array([0, 1, 1, 1, 1]) + noise[seed]).tolist())
    return experiment.write()


def test_the_planted_winner(planted):
    (section,) = build(planted()).sections
    assert section.verdict.choice == "margin"
    assert section.verdict.headline == "Use margin."
    assert "(80.0\u00a0%) with 25 labels instead of 50: 50\u00a0% fewer" in section.verdict.detail
    assert "Worse than random" in titles(section)


def test_order_of_the_grid_does_not_matter(experiment, planted):
    folder = planted()
    before = build(folder).sections[0]
    experiment.entries.reverse()
    after = build(experiment.write()).sections[0]
    assert before.verdict == after.verdict
    assert [row.strategy for row in before.main.rows] == [row.strategy for row in after.main.rows]


def test_two_seeds_are_too_few(planted):
    (section,) = build(planted(seeds=2)).sections
    assert section.verdict.headline == "Too few seeds to tell."
    assert "Too few seeds" in titles(section)


def test_one_seed(planted):
    (section,) = build(planted(seeds=1)).sections
    assert section.verdict.choice == ""
    assert "Too few seeds" in titles(section)


def test_no_clear_gain(experiment):
    (section,) = build(grid_of(experiment, {"random": 0, "margin": 0.002}, wobble=0.04)).sections
    assert section.verdict.choice in ("", "random")
    assert titles(section) & {"Cannot be told from random", "No better than random"}
    assert "Seeds vary widely" in titles(section)


def test_savings_that_may_be_none(experiment):
    noise = np.random.default_rng(0).normal(0, 0.02, 5)
    for seed in range(5):
        experiment.add("random", seed, RISING.tolist())
        lifted = RISING + np.array([0, 0.1, 0.1, 0.1, 0.01 + noise[seed]])
        experiment.add("margin", seed, lifted.clip(0, 0.8).tolist())
    (section,) = build(experiment.write()).sections
    assert section.verdict.choice == "margin"
    assert "Savings may be none" in titles(section)


def test_worse_than_random(experiment):
    (section,) = build(grid_of(experiment, {"random": 0, "margin": -0.05}, wobble=0.001)).sections
    assert section.verdict.headline == "Label at random."
    assert section.verdict.choice == "random"
    assert "Worse than random" in titles(section)


def test_peers_are_named(experiment):
    (section,) = build(grid_of(experiment, {"random": 0, "margin": 0.05, "entropy": 0.05}, wobble=0.004)).sections
    assert "Not to be told apart" in section.verdict.detail


def test_without_random(planted):
    (section,) = build(planted(strategies=("margin", "entropy"))).sections
    assert section.verdict.headline.startswith("margin has the highest learning curve")
    assert "No random baseline" in titles(section)


def test_one_strategy(planted):
    (section,) = build(planted(strategies=("margin",))).sections
    assert section.verdict.headline == "Only margin has run."


def test_only_random(planted):
    (section,) = build(planted(strategies=("random",))).sections
    assert section.verdict.headline == "Nothing to compare with random yet."


def test_nothing_started(experiment):
    experiment.plan("random", 0)
    (section,) = build(experiment.write()).sections
    assert section.verdict.headline == "Nothing to compare yet."
    assert "Trials are not finished" in titles(section)


def test_preliminary(experiment):
    for seed in range(3):
        for strategy, lift in (("random", 0), ("margin", 0.1)):
            experiment.add(strategy, seed, (RISING + lift)[:3].tolist())
    (section,) = build(experiment.write()).sections
    assert section.verdict.headline == "So far: Use margin."


def test_saturation(experiment):
    for seed in range(3):
        experiment.add("random", seed, [0.9, 0.979, 0.98, 0.98, 0.98])
        experiment.add("margin", seed, [0.9, 0.98, 0.981, 0.981, 0.981])
    assert "Accuracy is saturated" in titles(build(experiment.write()).sections[0])


def test_nothing_to_save(experiment):
    for seed in range(3):
        experiment.add("random", seed, [0.9, 0.8, 0.7, 0.7, 0.7])
        experiment.add("margin", seed, [0.9, 0.9, 0.9, 0.9, 0.91])
    assert "so there are none to save" in build(experiment.write()).sections[0].verdict.detail


def test_validation_labels_are_told(experiment):
    experiment.add("random", 0, RISING.tolist(), extra={"Num Validation Labels": 1538.0})
    (caution,) = [each for each in build(experiment.write()).sections[0].cautions if "1,538" in each.text]
    assert caution.title == "Validation labels are paid for too"


def test_first_batches_that_differ(experiment):
    for seed in range(3):
        experiment.add("random", seed, RISING.tolist())
        experiment.add("margin", seed, RISING.tolist(), first=100 + seed)
    (caution,) = [each for each in build(experiment.write()).sections[0].cautions if each.title == "Not paired"]
    assert "seeds 0, 1 and 2" in caution.text


def test_stores_that_differ(experiment):
    experiment.add("random", 0, RISING.tolist())
    experiment.add("margin", 0, RISING.tolist(), store="another")
    assert "Different embeddings" in titles(build(experiment.write()).sections[0])


def test_different_lengths(experiment):
    for seed in range(3):
        experiment.add("random", seed, RISING[:3].tolist(), rounds=3)
        experiment.add("margin", seed, RISING.tolist())
    assert "Different lengths" in titles(build(experiment.write()).sections[0])


def test_seeds_without_a_partner(experiment):
    for seed in range(4):
        experiment.add("margin", seed, RISING.tolist())
        if seed:
            experiment.add("random", seed, RISING.tolist())
    assert "Seeds without a partner" in titles(build(experiment.write()).sections[0])


@pytest.mark.parametrize(("values", "needed"), [([0.0, 0.2], 11), ([0.1, 0.1], 2), ([-1.0, 1.0001], MOST_SEEDS)])
def test_seeds_needed(values, needed):
    # The first has mean 0.1, spread 0.1414: 10 seeds tell it from 0 to within 0.101, 11 to within 0.095.
    assert seeds_needed(estimate(np.array(values))) == needed


def test_the_advice_asks_for_more_seeds_than_there_are():
    clear = np.array([0.010, 0.012, 0.011, 0.013, 0.012])  # told by itself; unclear can only be Holm's doing
    assert more_seeds(estimate(clear[:1])) == more_seeds(estimate(clear[:3])) == "Run at least 5 seeds."
    assert "5 seeds" not in more_seeds(estimate(clear))
    assert "fewer strategies" in more_seeds(estimate(clear))
    wide = np.array([0.3, -0.2, 0.2, -0.1, 0.1])
    needed = seeds_needed(estimate(wide))
    assert needed > 5
    assert more_seeds(estimate(wide)) == f"About {needed} seeds would tell a difference of this size."

"""The answer and the cautions that go with it."""

import numpy as np
import pytest

from labelbench_ray.errors import ConfigError
from labelbench_ray.report import build, page
from labelbench_ray.report.experiments import baseline_among
from labelbench_ray.report.findings import Measure, Standing
from labelbench_ray.report.statistics.comparison import Curves, compare_curves
from labelbench_ray.report.statistics.pooled import difference
from labelbench_ray.report.statistics.spreads import power_line
from labelbench_ray.report.statistics.two_way import row_noise
from labelbench_ray.report.verdict import judge

RISING = np.array([0.5, 0.6, 0.7, 0.75, 0.8])


def titles(section):
    return {caution.title for caution in section.cautions}


def text_of(section, title):
    (caution,) = [each for each in section.cautions if each.title == title]
    return caution.text


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
    assert section.verdict.headline == "Too few seeds to decide."
    assert "Too few seeds" in titles(section)


def test_one_seed(planted):
    (section,) = build(planted(seeds=1)).sections
    assert section.verdict.choice == ""
    assert "Too few seeds" in titles(section)


def curve(name, seeds, lift):
    values_ST = RISING + np.reshape(lift, (-1, 1)) * np.array([0, 1, 1, 1, 1])
    return Curves(name, tuple(seeds), np.array([10.0, 20, 30, 40, 50]), values_ST)


def judged(*every):
    comparison = compare_curves("Test Accuracy", list(every), "random")
    return judge(comparison), comparison


def test_the_same_small_difference_on_all_seeds_decides_nothing():
    """A few seeds differ by the same test row by chance; without a spread p would be 0."""
    found, comparison = judged(curve("random", range(3), [0.0] * 3), curve("margin", range(3), [0.001] * 3))
    area = comparison.row("margin").difference.area
    assert (found.choice, found.headline) == ("", "No strategy is significantly better than random.")
    assert area.low < 0 < area.value < area.high
    assert 0.1 < area.p_value < 0.5
    found, _ = judged(curve("random", range(3), [0.0] * 3), curve("margin", range(3), [0.1] * 3))
    assert found.choice == "margin"


def test_the_same_row_more_on_all_seeds_decides_nothing():
    """The step is one row of those that there are."""
    bits_N = np.zeros((3, 1, 25), np.uint8)
    row = row_noise(bits_N)
    assert row is not None
    found = difference(np.full(3, 1 / 200), "a", "b", None, rows=row.of(np.ones((1, 1))))
    assert found.spread == 1 / 25
    assert found.p_value > 0.5


def test_a_strategy_with_too_few_seeds_does_not_hide_the_others():
    wobble = [0.01, -0.02, 0.03, 0.0, -0.01]
    found, comparison = judged(
        curve("random", range(5), [0.0] * 5),
        curve("margin", range(5), wobble),
        curve("entropy", range(2), [0.2, 0.22]),
    )
    assert comparison.rows[0].strategy == "entropy"
    assert found.headline == "No strategy is significantly better than random."
    assert "margin comes first of the strategies with enough seeds" in found.detail
    assert found.detail.endswith("Too few paired seeds to decide on entropy: at least 3.")
    assert power_line(comparison).startswith("These 5 seeds can show")


def test_worse_strategies_beside_one_with_too_few_seeds_are_no_reason_to_label_at_random():
    found, _ = judged(
        curve("random", range(3), [0.0, 0.001, -0.001]),
        curve("margin", range(3), [-0.2, -0.201, -0.199]),
        curve("entropy", range(2), [0.2, 0.22]),
    )
    assert (found.headline, found.choice) == ("No strategy is significantly better than random.", "")
    assert "which is significant. Too few paired seeds to decide on entropy" in found.detail


def test_two_seeds_have_no_power_line():
    _, comparison = judged(curve("random", range(2), [0.0, 0.01]), curve("margin", range(2), [0.1, 0.12]))
    assert power_line(comparison) == ""


def test_no_clear_gain(experiment):
    (section,) = build(grid_of(experiment, {"random": 0, "margin": 0.002}, wobble=0.04)).sections
    assert (section.verdict.choice, section.verdict.finding.standing) == ("", Standing.UNCLEAR)
    assert section.verdict.headline == "No strategy is significantly better than random."
    assert "which is not significant" in section.verdict.detail
    assert "Seeds vary widely" in titles(section)


def test_savings_that_may_be_none(experiment):
    noise = np.random.default_rng(0).normal(0, 0.02, 5)
    for seed in range(5):
        experiment.add("random", seed, RISING.tolist())
        lifted = RISING + np.array([0, 0.1, 0.1, 0.1, 0.01 + noise[seed]])
        experiment.add("margin", seed, lifted.clip(0, 0.8).tolist())
    (section,) = build(experiment.write()).sections
    assert section.verdict.choice == "margin"
    assert text_of(section, "Measures disagree") == (
        "margin: significantly better than random by mean accuracy over the curve, not significantly different from "
        "random by final accuracy and labels saved. The answer above is based on mean accuracy over the curve."
    )


def curves_of(experiment, strategies, wobble=0.0, seeds=5):
    """Each strategy's mean curve, with a seed's luck that random does not share."""
    for number, (strategy, curve) in enumerate(strategies.items()):
        noise = wobble * np.random.default_rng(number).normal(size=seeds)
        for seed in range(seeds):
            experiment.add(strategy, seed, (np.array(curve) + noise[seed]).tolist())
    return experiment.write()


def test_better_at_the_end_alone_is_stated_in_the_answer_itself(experiment):
    """The audit's case: `No better than random: entropy` beside a third of the labels saved."""
    late = [0.5, 0.45, 0.62, 0.82, 0.9]
    (section,) = build(curves_of(experiment, {"random": RISING, "entropy": late}, wobble=0.02)).sections
    saved = section.main.row("entropy").difference.saving
    assert saved.part(saved.high_labels) > 0.15
    assert section.verdict.headline == (
        "No strategy is significantly better than random over the whole learning curve; at its end entropy is."
    )
    assert section.verdict.choice == ""
    assert text_of(section, "Measures disagree").startswith(
        "entropy: not significantly different from random by mean accuracy over the curve, significantly better than "
        "random by final accuracy and labels saved."
    )


def test_better_over_the_curve_and_worse_at_the_end_is_no_recommendation(experiment):
    early = [0.5, 0.9, 0.9, 0.8, 0.7]
    (section,) = build(curves_of(experiment, {"random": RISING, "margin": early}, wobble=0.001)).sections
    assert section.verdict.headline == "margin is better than random over the learning curve, but worse at its end."
    assert section.verdict.choice == ""


def test_a_mean_below_random_s_is_no_reason_to_label_at_random(experiment):
    """What is known is that the difference is not significant, whatever its sign."""
    (section,) = build(grid_of(experiment, {"random": 0, "margin": -0.02}, wobble=0.02)).sections
    area = section.main.row("margin").difference.area
    assert area.value < 0
    assert not area.excludes_zero
    assert section.verdict.choice == ""
    assert section.verdict.headline == "No strategy is significantly better than random."


def test_all_worse_by_the_curve_and_one_better_at_the_end(experiment):
    late = [0.5, 0.3, 0.3, 0.5, 0.9]
    (section,) = build(curves_of(experiment, {"random": RISING, "margin": late}, wobble=0.001)).sections
    assert section.verdict.headline == (
        "No strategy is better than random over the whole learning curve; at its end margin is."
    )
    assert section.verdict.choice == ""


def test_the_answer_states_its_measure_estimate_interval_and_p(planted):
    (section,) = build(planted()).sections
    found = section.verdict.finding
    assert (found.measure, found.standing) == (Measure.AREA, Standing.BETTER)
    assert found.estimate == section.main.row("margin").difference.area
    assert section.verdict.detail.startswith(
        "By mean test accuracy over the learning curve (10 to 50 labels) it is significantly better than random: "
        f"{found}."
    )
    assert "95\u00a0% interval: +" in str(found)
    assert "p < 0.001" in str(found)


def test_p_below_a_twentieth_beside_an_interval_that_includes_0_is_explained(experiment):
    rng = np.random.default_rng(5)
    for seed, noise in enumerate(rng.normal(size=6)):
        experiment.add("random", seed, RISING.tolist())
        for number in range(3):  # found at Holm's first steps
            experiment.add(f"clear{number}", seed, (RISING + 0.1 + 0.001 * noise).tolist())
        experiment.add("last", seed, (RISING + 0.0085 + 0.01 * noise).tolist())
    (section,) = build(experiment.write()).sections
    last = section.main.row("last").difference
    assert last.area_adjusted < 0.05
    assert not last.area.excludes_zero
    assert "last: intervals are wide because they hold for all 4 strategies at once" in text_of(
        section, "An interval includes 0 although p is below 0.05"
    )


def test_random_that_falls_at_its_end_is_named_for_what_it_is(experiment):
    """The audit's case: 80.1 % called random's final accuracy where it ends at 75.8 %."""
    falling = [0.5, 0.7, 0.801, 0.78, 0.758]
    (section,) = build(
        curves_of(experiment, {"random": falling, "margin": [0.5, 0.8, 0.9, 0.9, 0.9]}, wobble=0.001)
    ).sections
    assert "It reaches random's highest mean accuracy (80." in section.verdict.detail
    assert "instead of 30:" in section.verdict.detail
    assert text_of(section, "Random is best before the end").endswith("Labels saved are relative to the 30.")
    assert "random's final accuracy" not in page(build(experiment.folder)).replace("\u2019", "'")


@pytest.mark.parametrize(("rows", "named"), [(4, True), (100, True), (10_000, False)])
def test_few_test_rows_are_named(experiment, rows, named):
    for seed in range(3):
        experiment.add("random", seed, RISING.tolist(), extra={"Num Test Rows": float(rows)})
    (section,) = build(experiment.write()).sections
    assert ("Few test rows" in titles(section)) is named
    if rows == 4:
        assert "4 rows: each is worth 25.0 points of accuracy" in text_of(section, "Few test rows")


def test_few_test_rows_that_make_an_interval_wide_are_named_with_it(experiment):
    for seed, final in enumerate((0.60, 0.70, 0.70)):
        experiment.add("random", seed, [0.5, 0.55, 0.6, 0.6, final], extra={"Num Test Rows": 30.0})
    (section,) = build(experiment.write()).sections
    text = text_of(section, "Few test rows")
    assert "30 rows: each is worth 3.3 points of accuracy" in text
    assert "random has 66.7\u00a0% ± 14.3 over 3 seeds" in text


def test_worse_than_random(experiment):
    (section,) = build(grid_of(experiment, {"random": 0, "margin": -0.05}, wobble=0.001)).sections
    assert section.verdict.headline == "Label at random."
    assert section.verdict.choice == "random"
    assert "Worse than random" in titles(section)


def test_peers_are_named(experiment):
    (section,) = build(grid_of(experiment, {"random": 0, "margin": 0.05, "entropy": 0.05}, wobble=0.004)).sections
    assert "Also better than random, and not significantly different from " in section.verdict.detail


def test_without_random(planted):
    (section,) = build(planted(strategies=("margin", "entropy"))).sections
    assert (section.verdict.headline, section.verdict.choice) == ("Use margin.", "margin")
    assert "significantly better than the other strategy, pair by pair" in section.verdict.detail
    assert "What strategies save is not known: random is not in the comparison." in section.verdict.detail
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


def test_validation_labels_are_stated(experiment):
    experiment.add("random", 0, RISING.tolist(), extra={"Num Validation Labels": 1538.0})
    (caution,) = [each for each in build(experiment.write()).sections[0].cautions if "1,538" in each.text]
    assert caution.title == "Validation labels also cost"


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


def test_rounds_of_one_trial_that_were_scored_on_several_devices(experiment):
    experiment.add("random", 0, RISING.tolist())
    experiment.add("margin", 0, RISING.tolist(), scored_on=["cuda"] * len(RISING))
    assert "Scored on several devices" not in titles(build(experiment.write()).sections[0])
    experiment.add("margin", 1, RISING.tolist(), scored_on=["", *["cuda"] * (len(RISING) - 1)])
    cautions = build(experiment.write()).sections[0].cautions
    (caution,) = [each for each in cautions if each.title == "Scored on several devices"]
    assert "margin, seed 1, on cpu and cuda" in caution.text
    assert "seed 0" not in caution.text


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


def test_without_random_a_difference_that_may_be_chance_is_stated_as_such(experiment):
    folder = grid_of(experiment, {"margin": 0.05, "entropy": 0.049, "coreset": 0}, wobble=0.004)
    (section,) = build(folder).sections
    assert section.verdict.choice == ""
    assert " comes first, but is not significantly better than " in section.verdict.headline
    assert "It is significantly better than coreset." in section.verdict.detail
    assert "p is Holm's over 3 pairs of strategies" in section.verdict.detail


def test_without_random_two_seeds_are_too_few(planted):
    (section,) = build(planted(strategies=("margin", "entropy"), seeds=2)).sections
    assert section.verdict.headline == "Too few seeds to decide."


def test_another_baseline(planted):
    (section,) = build(planted(), baseline="entropy").sections
    assert section.main.baseline == "entropy"
    assert section.verdict.headline == "Use margin."
    assert "It reaches entropy's highest mean accuracy (85.0" in section.verdict.detail
    assert "Worse than entropy" in titles(section)
    assert "than random" not in section.verdict.detail
    random = section.main.row("random")
    assert random.difference.final.value == pytest.approx(0.80 - 0.85)
    assert section.main.row("entropy").difference is None


def test_a_baseline_that_is_absent_is_refused_with_those_there_are(planted):
    folder = planted()
    with pytest.raises(ConfigError, match=r"--baseline badge: .*give one of: random, coreset, entropy, margin"):
        build(folder, baseline="badge")


def test_a_baseline_with_settings_is_found_by_its_name_where_only_one_has_it():
    have = ["random", "power(beta=2)", "power_margin(beta=2)", "power_margin(beta=3)"]
    assert baseline_among(have, "power") == "power(beta=2)"
    assert baseline_among(have, "power_margin(beta=3)") == "power_margin(beta=3)"
    with pytest.raises(ConfigError, match="several strategies"):
        baseline_among(have, "power_margin")

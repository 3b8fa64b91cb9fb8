"""Speed-up, deficiency and normalized gain: by hand, their intervals by simulation, and on the page."""

import io

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from labelbench_ray.report.page import page
from labelbench_ray.report.relative import relatives
from labelbench_ray.report.relative.table import explanations, relative_table
from labelbench_ray.report.sections import build
from labelbench_ray.report.statistics.comparison import Curves, compare_curves
from labelbench_ray.report.statistics.relative import deficiency, normalized_gain, quotient, speed_up
from labelbench_ray.report.terminal import render

LABELS_T = np.array([100.0, 200, 400])
RANDOM_1T, BOUND_1T = np.array([[0.4, 0.6, 0.8]]), np.array([[0.6, 0.8, 0.9]])


def value(found):
    assert found is not None
    return found.value


def test_gain_deficiency_and_speed_up_of_a_curve_by_hand() -> None:
    assert value(normalized_gain(LABELS_T, RANDOM_1T, RANDOM_1T, BOUND_1T)) == 0
    assert value(normalized_gain(LABELS_T, BOUND_1T, RANDOM_1T, BOUND_1T)) == pytest.approx(1)
    assert normalized_gain(LABELS_T, BOUND_1T, RANDOM_1T, RANDOM_1T) is None
    assert value(deficiency(RANDOM_1T, RANDOM_1T)) == 1
    assert value(deficiency(BOUND_1T, RANDOM_1T)) == pytest.approx((0.2 + 0.0 - 0.1) / (0.4 + 0.2 + 0.0))
    assert deficiency(BOUND_1T, np.array([[0.5, 0.5, 0.5]])) is None
    found = speed_up(LABELS_T, BOUND_1T, RANDOM_1T)
    np.testing.assert_allclose(found.factors_T, [200 / 100, 400 / 200, 400 / 400])
    assert found.at_least_T.tolist() == [False, False, True]
    assert found.low_T.tolist() == found.high_T.tolist() == found.factors_T.tolist()  # one seed: no interval


def test_a_fall_of_the_curve_takes_no_speed_up_away() -> None:
    falling_1T = np.array([[0.6, 0.5, 0.5]])
    np.testing.assert_allclose(speed_up(LABELS_T, falling_1T, RANDOM_1T).factors_T, [2, 1, 0.5])


@pytest.mark.parametrize("measure", ["ratio", "speed"])
def test_intervals_over_five_seeds_cover_what_was_planted(measure: str) -> None:
    rng, replicates, inside = np.random.default_rng(18), 400, 0
    true_T = np.array([0.5, 0.6, 0.7, 0.8])
    labels_T = np.array([100.0, 200, 300, 400])
    for _ in range(replicates):
        random_ST = true_T + rng.normal(0, 0.01, (5, 4))
        if measure == "ratio":
            found = quotient(0.3 + rng.normal(0, 0.05, 5), 0.6 + rng.normal(0, 0.05, 5))
            assert found is not None
            inside += found.low <= 0.5 <= found.high
        else:
            speed = speed_up(labels_T, true_T + 0.05 + rng.normal(0, 0.01, (5, 4)), random_ST)
            inside += speed.low_T[1] <= 250 / 200 <= speed.high_T[1]
    assert stats.binomtest(inside, replicates, 0.95).pvalue > 0.001 or inside > 0.95 * replicates


def test_a_ratio_by_nearly_nothing_has_no_interval() -> None:
    found = quotient(np.array([1.0, 2, 3]), np.array([0.5, -0.4, 0.2]))
    assert found is not None
    assert not found.has_interval
    assert quotient(np.array([1.0, 2]), np.array([-1.0, 0.5])) is None


def curves(name: str, values_ST: np.ndarray) -> Curves:
    return Curves(name, tuple(range(len(values_ST))), np.array([10.0, 20, 30, 40]), values_ST)


def planted() -> tuple[Curves, Curves, Curves]:
    noise_ST = np.random.default_rng(0).normal(0, 0.002, (5, 4))
    rising_T = np.array([0.5, 0.6, 0.7, 0.8])
    return (
        curves("random", rising_T + noise_ST),
        curves("margin", rising_T + np.array([0, 0.05, 0.05, 0.05]) - noise_ST),
        curves("oracle_batch", rising_T + np.array([0, 0.1, 0.1, 0.1]) - noise_ST),
    )


def test_the_bound_is_marked_and_is_the_one_of_the_normalized_gain() -> None:
    random, margin, oracle = planted()
    comparison = compare_curves("Test Accuracy", [random, margin], "random")
    without, found = relatives(comparison), relatives(comparison, [oracle])
    assert [each.strategy for each in found] == ["margin", "oracle_batch"]
    assert [each.is_bound for each in found] == [False, True]
    assert without[0].gain is None
    assert value(found[0].gain) == pytest.approx(0.5, abs=0.02)
    table = relative_table(found)
    assert table.head[:3] == ("strategy", "deficiency", "normalized gain")
    assert table.head[3:] == tuple(f"speed-up at {labels} labels" for labels in (20, 30, 40))
    assert table.rows[1][0].note == "upper bound, sees labels"
    assert "normalized gain" not in relative_table(without).head
    assert len(explanations(found, "random", "accuracy")) == 3 == 1 + len(explanations(without, "random", "accuracy"))


def test_the_page_shows_them_beside_the_savings(experiment) -> None:
    random, margin, _ = planted()
    for seed in range(5):
        experiment.add("random", seed, random.values_ST[seed].tolist(), rounds=4)
        experiment.add("margin", seed, margin.values_ST[seed].tolist(), rounds=4)
    text = page(build(experiment.write()))
    assert (
        text.index("<h3>Labels saved")
        < text.index("<h3>Speed-up and deficiency</h3>")
        < text.index("<h3>Test Accuracy")
    )
    assert "speed-up at 40 labels" in text
    assert "at least 1.0" in text


def test_nothing_ranks_a_bound_and_the_page_and_the_terminal_mark_it(experiment) -> None:
    random, margin, oracle = planted()
    for dataset in ("digits", "kuzushiji49"):  # two settings, so that ranks over settings are there
        for each in (random, margin, curves("entropy", margin.values_ST - 0.01), oracle):
            for seed in range(5):
                experiment.add(each.strategy, seed, each.values_ST[seed].tolist(), rounds=4, dataset=dataset)
    report = build(experiment.write())
    section = report.sections[0]
    assert report.strategies == ("random", "entropy", "margin")
    assert section.verdict.choice == "margin"
    assert "oracle_batch" not in section.verdict.detail
    assert section.main is not None
    assert {row.strategy for row in section.main.rows} == {"random", "margin", "entropy"}
    assert section.main.compared == 2  # its intervals and p are not adjusted for a bound
    assert report.across.over_settings is not None
    assert "oracle_batch" not in report.across.over_settings.ranks.strategies
    assert len(report.runs) == 40
    assert [bound.strategy for bound in section.bounds] == ["oracle_batch"]
    text = page(report)
    assert "oracle_batch (upper bound, sees labels)</li>" in text
    assert text.count('class="curve bound on"') == 4  # the learning curve and the speed-up of each setting
    assert "normalized gain" in text
    console = Console(width=120, file=io.StringIO())
    console.print(render(report))
    assert "oracle_batch (upper bound, sees labels; not ranked): final accuracy " in console.file.getvalue()
    assert "margin has" in console.file.getvalue()


def test_an_experiment_of_bounds_alone_compares_nothing(experiment) -> None:
    for seed in range(3):
        experiment.add("oracle_batch", seed, [0.5, 0.6], rounds=2)
    report = build(experiment.write())
    assert report.sections[0].main is None
    assert "Nothing to compare yet" in page(report)

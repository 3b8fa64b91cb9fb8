"""Do so many seeds find a difference as often as the report states? Simulations, and the tables of the noncentral t."""

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from labelbench_ray.api.power import spreads
from labelbench_ray.commands import cli
from labelbench_ray.report import build
from labelbench_ray.report.published.spreads import published_spreads
from labelbench_ray.report.statistics.paired import critical, estimate, holm
from labelbench_ray.report.statistics.pooled import difference, pool
from labelbench_ray.report.statistics.power import (
    MOST_PLANNED,
    MOST_SEEDS,
    more_seeds,
    power,
    seeds_for,
    seeds_needed,
    smallest_effect,
)
from labelbench_ray.report.statistics.spreads import Spread

DRAWS = 4_000


def with_effect(effect, comparisons=1):
    """Two seeds whose mean is `effect` standard deviations."""
    return estimate(np.array([effect - 0.5**0.5, effect + 0.5**0.5]), comparisons)


@pytest.mark.parametrize(("effect", "seeds"), [(0.4, 52), (0.6, 24), (0.8, 15), (1.0, 10), (1.5, 6)])
def test_seeds_for_one_strategy(effect, seeds):
    """The known numbers for 80 % power of a two-sided paired t-test at 5 %."""
    assert seeds_needed(with_effect(effect)) == seeds


def found(effect, seeds, comparisons, rng):
    """How often Holm's procedure finds the one strategy that differs, among others that do not."""
    values_DMS = rng.normal(size=(DRAWS, comparisons, seeds))
    values_DMS[:, 0] += effect
    p_DM = stats.ttest_1samp(values_DMS, 0.0, axis=2).pvalue
    return np.mean([holm(p_M)[0] < 0.05 for p_M in p_DM])


@pytest.mark.parametrize(("effect", "comparisons"), [(0.6, 1), (1.0, 1), (1.5, 1), (1.0, 5), (1.5, 25)])
def test_the_number_advised_finds_the_difference_four_times_out_of_five(effect, comparisons):
    rng = np.random.default_rng(0)
    seeds = seeds_needed(with_effect(effect, comparisons))
    assert 0.78 <= found(effect, seeds, comparisons, rng) <= 0.92
    assert found(effect, seeds - 2, comparisons, rng) < 0.82
    # The number at which the interval of the expected difference just excludes 0, as was advised before, finds half.
    naive = next(count for count in range(2, 200) if critical(count) / count**0.5 < effect)
    assert found(effect, naive, comparisons, rng) < 0.73


def test_power_of_nothing_is_the_level():
    assert power(0.0, 10) == pytest.approx(0.025)  # in the right direction
    assert power(0.0, 10, 5) == pytest.approx(0.005)


@given(st.floats(0, 20), st.integers(3, 99), st.integers(1, 200))
def test_power_is_a_probability_that_grows_with_the_seeds(effect, seeds, comparisons):
    less, more = power(effect, seeds, comparisons), power(effect, seeds + 1, comparisons)
    assert 0 <= less <= more + 1e-9 <= 1 + 2e-9


def test_no_spread_and_no_difference():
    assert seeds_needed(estimate(np.array([0.1, 0.1]))) == 3
    assert seeds_needed(estimate(np.zeros(4))) == MOST_SEEDS
    assert seeds_needed(estimate(np.array([-1.0, 1.0001]))) == MOST_SEEDS


@given(arrays(np.float64, st.integers(2, 12), elements=st.floats(-1, 1, width=32)), st.integers(1, 30))
def test_more_seeds_are_advised_than_there_are(values_S, comparisons):
    """Where Holm's first step does not find the difference, as whenever the advice is given."""
    known = estimate(values_S, comparisons)
    if known.spread > 1e-6 and known.p_value * comparisons >= 0.05:
        assert seeds_needed(known) > known.seeds or seeds_needed(known) == MOST_SEEDS


def test_advice_in_words():
    assert more_seeds(with_effect(0.1)) == "Detecting a difference this small takes 100 seeds or more (power of 80 %)."
    assert more_seeds(with_effect(0.6)) == (
        "About 24 seeds would detect a difference of this size and spread (power of 80 %)."
    )
    assert more_seeds(with_effect(1.0, 25)) == (
        "About 21 seeds would detect a difference of this size and spread (power of 80 %, adjusted for 25 strategies)."
    )
    assert more_seeds(with_effect(3.0)) == "Run at least 5 seeds."
    assert more_seeds(estimate(np.array([0.3]))) == "Run at least 5 seeds."


@pytest.mark.parametrize(
    ("spread", "seeds"),
    [(0.15, [20, 7, 5, 3]), (0.22, [40, 12, 7, 4]), (0.4, [128, 34, 16, 8]), (0.65, [334, 85, 39, 16])],
)
def test_seeds_to_plan_for_a_tenth_to_half_a_point(spread, seeds):
    assert [seeds_for(difference / spread) for difference in (0.1, 0.2, 0.3, 0.5)] == seeds
    assert seeds_for(0.0) == MOST_PLANNED


def test_what_a_number_of_seeds_can_show():
    assert [smallest_effect(seeds) for seeds in (2, 4, 10)] == pytest.approx([11.55, 2.128, 0.996], abs=1e-3)
    assert smallest_effect(1) == np.inf


@given(st.integers(3, 60), st.integers(1, 60))
def test_the_smallest_effect_has_a_power_of_80_percent(seeds, comparisons):
    effect = smallest_effect(seeds, comparisons)
    assert power(effect, seeds, comparisons) == pytest.approx(0.8, abs=1e-4)
    assert seeds_for(effect * 1.001, comparisons) <= seeds


def test_the_published_spread_of_the_final_accuracy_is_22_hundredths_of_a_point_at_the_median():
    spreads = {each.measured: 100 * each.value for each in published_spreads()}
    assert len(spreads) == 6
    assert spreads["published, median: final accuracy"] == pytest.approx(0.218, abs=5e-4)
    assert spreads["published, lower quartile: final accuracy"] == pytest.approx(0.154, abs=5e-4)
    assert spreads["published, upper quartile: final accuracy"] == pytest.approx(0.398, abs=5e-4)


def printed(*words):
    done = CliRunner().invoke(cli.app, ["power", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_plans_from_the_published_spread():
    lines = [line.split() for line in printed().splitlines()]
    median = next(line for line in lines if line[:4] == ["published,", "median:", "final", "accuracy"])
    assert median[4:] == ["0.22", "40", "12", "7", "4", "0.71", "0.37", "0.22"]
    adjusted = printed("--strategies", "25", "--difference", "0.5", "--seeds", "5")
    assert "of a t-test with the spread pooled over strategies, adjusted for 25 strategies" in " ".join(
        adjusted.split()
    )
    assert next(line for line in adjusted.splitlines() if "median: final" in line).split()[-3:] == ["0.22", "5", "0.48"]
    assert "Power of 80 % at 5 % of a paired t-test; 3 seeds" in " ".join(printed().split())


def test_the_command_plans_from_the_spread_on_record(experiment):
    """Two strategies, whose differences from random spread by .71 and 2.12 points: 1.58 as their root mean square."""
    for seed in range(2):
        experiment.add("random", seed, [0.5, 0.6])
        experiment.add("margin", seed, [0.5, 0.6 + 0.01 * (seed - 1)])
        experiment.add("entropy", seed, [0.5, 0.6 + 0.03 * (seed - 1)])
    folder = str(experiment.write())
    output = printed(folder, "--difference", "5")
    assert "adjusted for 2 strategies" in output
    expected = str(seeds_for(5 / 2.5**0.5, 2, pooling=2.0))
    assert next(line for line in output.splitlines() if "digits: final accuracy" in line).split()[3:5] == [
        "1.58",
        expected,
    ]
    refused = CliRunner().invoke(cli.app, ["power", folder, "--baseline", "galaxy"])
    assert "--baseline galaxy" in str(refused.exception)


def test_one_seed_has_no_spread_to_plan_with(experiment):
    experiment.add("random", 0, [0.5, 0.6])
    experiment.add("margin", 0, [0.5, 0.7])
    folder = experiment.write()
    refused = CliRunner().invoke(cli.app, ["power", str(folder)])
    assert "no strategy has two seeds" in str(refused.exception)
    assert build(folder).sections[0].power == ""


def test_the_report_states_what_its_seeds_can_show(experiment):
    for seed in range(4):
        experiment.add("random", seed, [0.5, 0.6])
        experiment.add("margin", seed, [0.5, 0.6 + 0.01 * (seed - 1.5)])
    spread = 100 * np.std([0.005 * (seed - 1.5) for seed in range(4)], ddof=1)
    least = f"{spread * smallest_effect(4):.1f}"
    assert build(experiment.write()).sections[0].power == (
        f"These 4 seeds can show differences of {least} points or more in mean accuracy over the curve (power of 80 % "
        f"of a paired t-test; spread over seeds {spread:.2f} points)."
    )


@pytest.mark.parametrize(("strategies", "seeds"), [(2, 4), (4, 3), (9, 5), (25, 10)])
def test_a_plan_with_the_pooled_spread_is_what_the_report_s_own_test_finds(strategies, seeds):
    """Curves of 1 point of spread; a seed moves all strategies together by 3 more."""
    rng, draws = np.random.default_rng(strategies), 250
    points = 100 * Spread("", 2**0.5 / 100).difference(seeds, strategies)
    hits = paired = 0
    for _ in range(draws):
        values_MS = rng.normal(size=(strategies + 1, seeds)) + 3 * rng.normal(size=seeds)
        values_MS[1] += points
        pooled = pool({str(place): values_S for place, values_S in enumerate(values_MS)})
        tested = [
            difference(values_S - values_MS[0], str(place), "0", pooled) for place, values_S in enumerate(values_MS)
        ]
        hits += holm(np.array([each.p_value for each in tested[1:]]))[0] < 0.05
        paired += holm(stats.ttest_rel(values_MS[1:], values_MS[:1], axis=1).pvalue)[0] < 0.05
    assert hits / draws == pytest.approx(0.8, abs=0.08)
    assert paired / draws < 0.7


def test_one_strategy_and_two_seeds_pool_nothing():
    spread, noted = Spread("x", 0.01), Spread("x", 0.01, pooling=1.4)
    assert spread.difference(5, 1) == 0.01 * smallest_effect(5)
    assert spread.difference(2, 25) == 0.01 * smallest_effect(2, 25)
    assert spread.difference(3, 25) == 0.01 * smallest_effect(3, 25, 3.0)
    assert noted.difference(3, 25) == 0.01 * smallest_effect(3, 25, 1.4)
    assert spread.seeds(0.01, 25) < noted.seeds(0.01, 25) < seeds_for(1.0, 25)


def test_a_plan_from_records_pools_as_their_report_does(experiment):
    rng = np.random.default_rng(7)
    for place, strategy in enumerate(("random", "margin", "entropy", "badge", "coreset")):
        for seed in range(6):
            experiment.add(strategy, seed, [0.5, 0.6 + 0.01 * (1 + 4 * (place == 1)) * rng.normal()])
    (section,) = build(experiment.write()).sections
    (final, area), compared = spreads([experiment.folder])
    pooling = section.main.row("margin").difference.area.pooling
    assert 1 < pooling < 3
    assert (area.pooling, compared) == (pooling, 4)
    assert final.pooling == section.main.row("margin").difference.final.pooling
    least = area.difference(6, compared)
    assert f"differences of {100 * least:.1f} points or more" in section.power
    assert "of a t-test with the spread pooled over strategies, adjusted for 4 strategies" in section.power


def test_a_plan_from_records_includes_the_noise_of_their_test_rows(experiment):
    rng = np.random.default_rng(9)
    for strategy in ("random", "margin"):
        for seed in range(4):
            hits = rng.random((2, 150)) < np.array([[0.5], [0.7]])
            experiment.add(strategy, seed, hits.mean(axis=1).tolist(), hits=hits)
    (section,) = build(experiment.write()).sections
    (_, area), _ = spreads([experiment.folder])
    assert area.row_error == section.main.row("margin").difference.area.row_error > 0
    assert area.difference(30, 1) > Spread("", area.value).difference(30, 1)
    assert area.seeds(0.05, 1) >= Spread("", area.value).seeds(0.05, 1)
    assert "with the noise of the test rows on record; 3 seeds" in " ".join(printed(str(experiment.folder)).split())
    assert f"differences of {100 * area.difference(4, 1):.1f} points or more" in section.power

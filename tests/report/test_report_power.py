"""Do so many seeds find a difference as often as the report states? Simulations, and the tables of the noncentral t."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from labelbench_ray.report.statistics.paired import critical, estimate, holm
from labelbench_ray.report.statistics.power import MOST_SEEDS, more_seeds, power, seeds_needed

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

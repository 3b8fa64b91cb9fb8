"""The statistics against scipy, brute force and numbers worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from labelbench_ray.report.statistics.paired import area_under_curve, bands, critical, estimate, holm

ACCURACIES = st.floats(0, 1, width=32)
LABELS_T = np.array([10.0, 20.0, 40.0, 80.0])


def test_estimate_by_hand():
    estimated = estimate(np.array([0.1, 0.2, 0.3]))
    assert estimated.value == pytest.approx(0.2)
    assert estimated.spread == pytest.approx(0.1)
    assert estimated.high - estimated.value == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)
    assert not estimated.excludes_zero


@given(arrays(np.float64, st.integers(2, 8), elements=ACCURACIES))
def test_estimate_is_the_one_sample_t_test(values_S):
    estimated = estimate(values_S)
    if values_S.std() < 1e-6:
        return
    oracle = stats.ttest_1samp(values_S, 0.0)
    interval = oracle.confidence_interval(0.95)
    assert (estimated.low, estimated.high) == pytest.approx((interval.low, interval.high))
    assert estimated.p_value == pytest.approx(oracle.pvalue, abs=1e-12)
    assert estimated.excludes_zero == (oracle.pvalue < 0.05)


def test_one_seed_has_no_interval():
    estimated = estimate(np.array([0.7]))
    assert (estimated.value, estimated.low, estimated.high, estimated.p_value) == (0.7, -math.inf, math.inf, 1.0)
    assert not estimated.has_interval
    assert not estimated.excludes_zero


def test_no_spread_is_a_point():
    assert estimate(np.full(4, 0.01)).p_value == 0.0
    assert estimate(np.zeros(4)).p_value == 1.0
    assert not estimate(np.zeros(4)).excludes_zero


def test_no_seed_is_refused():
    with pytest.raises(ValueError, match="0 seeds"):
        estimate(np.array([]))


def test_critical_values_of_the_tables():
    assert [round(critical(seeds), 2) for seeds in (2, 4, 5)] == [12.71, 3.18, 2.78]
    assert critical(1) == math.inf


@given(ACCURACIES)
def test_area_of_a_constant_curve_is_its_height(height):
    assert area_under_curve(LABELS_T, np.full((1, 4), height)) == pytest.approx([height])


def test_area_by_hand():
    # (0.5 * 10 + 0.65 * 20 + 0.75 * 40) / 70
    assert area_under_curve(LABELS_T, np.array([[0.4, 0.6, 0.7, 0.8]])) == pytest.approx([48 / 70])


@given(arrays(np.float64, (3, 4), elements=ACCURACIES), st.floats(0.1, 10), st.floats(-1, 1))
def test_area_follows_scale_and_shift(values_ST, scale, shift):
    plain_S = area_under_curve(LABELS_T, values_ST)
    assert area_under_curve(LABELS_T, scale * values_ST + shift) == pytest.approx(scale * plain_S + shift)
    assert area_under_curve(100 * LABELS_T, values_ST) == pytest.approx(plain_S)


def test_area_of_one_checkpoint_is_its_height():
    assert area_under_curve(np.array([10.0]), np.array([[0.4], [0.6]])).tolist() == [0.4, 0.6]


def test_bands_are_estimates_of_each_checkpoint():
    values_ST = np.random.default_rng(0).normal(size=(5, 3))
    for column, (mean, low, high) in enumerate(zip(*bands(values_ST), strict=True)):
        estimated = estimate(values_ST[:, column])
        assert (mean, low, high) == pytest.approx((estimated.value, estimated.low, estimated.high))


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([])).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_its_definition(p_values):
    def adjusted(own):
        smaller = sorted(p_values)[: sorted(p_values).index(own) + 1]
        return max(min(1.0, (len(p_values) - place) * value) for place, value in enumerate(smaller))

    # Equal p-values share the largest factor, so the definition is asked for the first of them.
    assert holm(np.array(p_values)) == pytest.approx([adjusted(own) for own in p_values])


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=6), st.floats(0.001, 0.3))
def test_holm_rejects_as_the_step_down_procedure(p_values, level):
    rejected = 0
    for value in sorted(p_values):
        if value > level / (len(p_values) - rejected):
            break
        rejected += 1
    adjusted_M = np.sort(holm(np.array(p_values)))
    clear = np.abs(adjusted_M - level) > 1e-12
    assert np.array_equal((adjusted_M <= level)[clear], (np.arange(len(p_values)) < rejected)[clear])

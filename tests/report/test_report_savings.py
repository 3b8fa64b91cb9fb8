"""Label savings: planted ones, censored ones, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelbench_ray.report import words
from labelbench_ray.report.statistics.savings import first_crossing, last_crossing, saving

LABELS_T = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
RANDOM_ST = np.array([[0.50, 0.60, 0.70, 0.75, 0.80]] * 3)
SHIFTS_S1 = np.array([[-0.01], [0.0], [0.01]])
TABLES = arrays(np.float64, (4, 5), elements=st.integers(0, 100).map(lambda percent: percent / 100))


def of(*curve):
    return np.array([curve] * 3)


def test_between_two_checkpoints():
    found = saving(LABELS_T, of(0.5, 0.7, 0.9, 0.91, 0.92), RANDOM_ST)
    assert found.labels == pytest.approx(25)
    assert found.fraction == pytest.approx(0.5)
    assert (found.low_labels, found.high_labels) == pytest.approx((25, 25))  # seeds that agree leave no doubt
    assert words.saved_fully(found) == "50\u00a0% (50 to 50\u00a0%)"


def test_shared_luck_of_a_seed_cancels():
    found = saving(LABELS_T, of(0.5, 0.7, 0.9, 0.91, 0.92) + SHIFTS_S1, RANDOM_ST + SHIFTS_S1)
    assert (found.low_labels, found.labels, found.high_labels) == pytest.approx((25, 25, 25))


def test_equal_curves_save_nothing():
    found = saving(LABELS_T, RANDOM_ST, RANDOM_ST)
    assert (found.labels, found.fraction) == (50, 0)


def test_not_reached_is_reported():
    found = saving(LABELS_T, RANDOM_ST - 0.1, RANDOM_ST)
    assert not found.reached
    assert (found.fraction, found.high_labels) == (-math.inf, math.inf)
    assert words.saved_fully(found) == "not reached"
    assert words.needed(found) == "more than 50"


def test_reached_at_the_first_point_is_a_lower_bound():
    found = saving(LABELS_T, of(0.85, 0.86, 0.87, 0.88, 0.89), RANDOM_ST)
    assert found.at_least
    assert words.saved_fully(found) == "at least 80\u00a0%"
    assert words.needed(found) == "at most 10"


def test_an_end_that_is_not_reached():
    found = saving(LABELS_T, of(0.5, 0.62, 0.72, 0.79, 0.82) + SHIFTS_S1 * 2, RANDOM_ST)
    assert found.reached
    assert found.high_labels == math.inf
    assert words.saved_interval(found).startswith("not reached to ")


def test_running_maximum_forgives_a_dip():
    dip = saving(LABELS_T, of(0.5, 0.7, 0.6, 0.9, 0.9), RANDOM_ST)
    assert dip.labels == pytest.approx(35)  # from 0.7, the maximum so far, to 0.9


def test_target_is_randoms_highest_mean():
    falling_ST = np.array([[0.5, 0.6, 0.8, 0.75, 0.7]] * 3)
    found = saving(LABELS_T, of(0.5, 0.8, 0.8, 0.8, 0.8), falling_ST)
    assert (found.target, found.random_labels, found.labels) == pytest.approx((0.8, 30, 20))


def test_more_labels_than_random_is_a_negative_saving():
    found = saving(LABELS_T, of(0.5, 0.6, 0.7, 0.75, 0.8), np.array([[0.5, 0.8, 0.8, 0.8, 0.8]] * 3))
    assert found.fraction == pytest.approx(-1.5)
    assert words.saved(found) == "\u2212150\u00a0%"


def test_one_seed_has_no_interval():
    found = saving(LABELS_T, of(0.5, 0.7, 0.9, 0.91, 0.92)[:1], RANDOM_ST[:1])
    assert not found.has_interval
    assert words.saved_fully(found) == "50\u00a0%"


def test_interval_by_hand_on_a_straight_line():
    # Differences run linearly from -0.1 at 10 to +0.1 at 30 labels with the same spread 0.01 throughout.
    slope_T = np.array([-0.1, 0.1])
    strategy_ST = 0.8 + slope_T + SHIFTS_S1
    found = saving(np.array([10.0, 30.0]), strategy_ST, np.array([[0.5, 0.8]] * 3))
    reach = 4.302653 * 0.01 / math.sqrt(3) / 0.01  # in labels: the line climbs 0.01 a label
    assert (found.low_labels, found.labels, found.high_labels) == pytest.approx((20 - reach, 20, 20 + reach))


@given(arrays(np.float64, 5, elements=st.integers(-100, 100).map(lambda percent: percent / 100)))
def test_first_crossing_is_that_of_a_fine_scan(height_T):
    fine_F = np.linspace(10, 50, 40_001)
    above_F = np.interp(fine_F, LABELS_T, np.maximum.accumulate(height_T)) >= -1e-12
    found = first_crossing(LABELS_T, height_T)
    assert found == pytest.approx(fine_F[np.argmax(above_F)] if above_F.any() else math.inf, abs=2e-3)
    assert found <= last_crossing(LABELS_T, height_T)


@given(TABLES, TABLES)
def test_the_interval_holds_the_estimate(strategy_ST, random_ST):
    found = saving(LABELS_T, strategy_ST, random_ST)
    assert 10 <= found.low_labels <= found.labels <= found.high_labels


@given(TABLES, TABLES, st.permutations(range(4)))
def test_order_of_seeds_does_not_matter(strategy_ST, random_ST, order):
    first = saving(LABELS_T, strategy_ST, random_ST)
    second = saving(LABELS_T, strategy_ST[order], random_ST[order])
    assert second.labels == pytest.approx(first.labels)
    assert second.low_labels == pytest.approx(first.low_labels)
    assert second.high_labels == pytest.approx(first.high_labels)


@given(TABLES, TABLES, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_scaling_all_accuracies_or_labels_changes_no_saving(strategy_ST, random_ST, scale):
    plain = saving(LABELS_T, strategy_ST, random_ST)
    scaled = saving(LABELS_T * scale, strategy_ST * scale, random_ST * scale)
    assert scaled.fraction == pytest.approx(plain.fraction)
    assert scaled.part(scaled.low_labels) == pytest.approx(plain.part(plain.low_labels))


@given(TABLES, TABLES, st.floats(0, 0.5))
def test_a_higher_curve_never_needs_more(strategy_ST, random_ST, lift):
    assert (
        saving(LABELS_T, strategy_ST + lift, random_ST).labels <= saving(LABELS_T, strategy_ST, random_ST).labels + 1e-9
    )

"""Softmax, the check of rows, and summaries that do not saturate, against float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special, stats

from labelbench_ray.pool import probabilities

logits = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8), elements=draw.floats(-80, 80, width=32)
)


@given(logits)
def test_softmax_is_the_textbook_s(logits_BK: np.ndarray):
    expected = special.softmax(logits_BK.astype(np.float64), axis=1)
    np.testing.assert_allclose(probabilities.softmax(logits_BK.copy()), expected, rtol=1e-5, atol=1e-37)


def test_softmax_of_huge_logits_is_finite():
    np.testing.assert_array_equal(probabilities.softmax(np.array([[1e38, -1e38]], np.float32)), [[1, 0]])


@given(logits)
def test_summaries_equal_float64(logits_BK: np.ndarray):
    given_BK = probabilities.softmax(logits_BK.copy())
    descending = -np.sort(-given_BK.astype(np.float64), axis=1)
    summary = probabilities.summarize(given_BK)
    np.testing.assert_allclose(summary.others_B, descending[:, 1:].sum(axis=1) / descending.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(summary.second_B, descending[:, 1] / descending.sum(axis=1), rtol=1e-6)


@given(logits)
def test_entropy_equals_scipy_s(logits_BK: np.ndarray):
    given_BK = probabilities.softmax(logits_BK.copy())
    expected = stats.entropy(given_BK.astype(np.float64), axis=1)
    np.testing.assert_allclose(probabilities.entropy(given_BK), expected, rtol=1e-4, atol=2e-6)


def test_entropy_of_certain_rows_keeps_its_digits():
    rest = np.array([1e-9, 1e-15, 1e-30], np.float32)
    exact = -rest.astype(np.float64) * np.log(rest.astype(np.float64)) + rest
    np.testing.assert_allclose(probabilities.entropy(np.stack([np.ones_like(rest), rest], axis=1)), exact, rtol=1e-5)


def test_equal_rows_have_equal_summaries_wherever_they_lie_in_a_block():
    row = np.random.default_rng(0).dirichlet(np.ones(997)).astype(np.float32)
    block = np.repeat(row[None], 300, axis=0)
    assert len(np.unique(probabilities.entropy(block))) == 1
    assert len(np.unique(probabilities.summarize(block).others_B)) == 1


@pytest.mark.parametrize("off", [0.0009, -0.0009])
def test_sums_within_the_tolerance_pass(off: float):
    probabilities.check(np.array([[0.5, 0.5 + off]], np.float32))


@pytest.mark.parametrize("off", [0.0011, -0.0011])
def test_sums_beyond_the_tolerance_are_refused_by_row(off: float):
    with pytest.raises(ValueError, match="row 41 sums to"):
        probabilities.check(np.array([[0.5, 0.5], [0.5, 0.5 + off]], np.float32), first_row=40)

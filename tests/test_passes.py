"""Passes over tensors against the same passes over arrays, on the CPU."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labelbench_ray.pool import passes
from labelbench_ray.strategies._centers import Points

ROWS, CLASSES = 500, 37
SCORES = (passes.least_confidence, passes.small_margin, passes.entropy)


def logits(scale: float) -> np.ndarray:
    return (scale * np.random.default_rng(0).normal(size=(ROWS, CLASSES))).astype(np.float32)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_softmax_of_tensors_is_that_of_arrays(scale: float):
    tensors = passes.softmax(torch.from_numpy(logits(scale)))
    assert isinstance(tensors, torch.Tensor)
    np.testing.assert_allclose(tensors.numpy(), passes.softmax(logits(scale)), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
def test_scores_of_tensors_are_those_of_arrays_and_choose_the_same_rows(score: Callable[[Any], Any], scale: float):
    rows = passes.softmax(logits(scale))
    # Equal rows, wherever they lie, tie on both paths.
    rows[100:200] = rows[7]
    tensors, arrays = score(torch.from_numpy(rows)), score(rows)
    assert tensors.dtype == torch.float64
    np.testing.assert_allclose(tensors.numpy(), arrays, rtol=2e-6, atol=2e-6)
    ids = np.random.default_rng(1).permutation(10 * ROWS)[:ROWS]
    for count in (1, 50, ROWS, 2 * ROWS):
        chosen = passes.top(tensors, torch.from_numpy(ids), count)
        np.testing.assert_array_equal(chosen.numpy(), passes.top(arrays, ids, count))


def test_scores_of_certain_rows_keep_their_digits():
    rest = np.array([1e-9, 1e-15, 1e-30], np.float32)
    rows = np.stack([np.ones_like(rest), rest], axis=1)
    for score in SCORES:
        np.testing.assert_allclose(score(torch.from_numpy(rows)).numpy(), score(rows), rtol=1e-5)


def test_equal_scores_are_chosen_by_ascending_id():
    scores, ids = np.array([1.0, 2.0, 1.0, 2.0, 1.0]), np.array([50, 40, 30, 20, 10])
    assert passes.top(scores, ids, 4).tolist() == [20, 40, 10, 30]
    assert passes.top(torch.from_numpy(scores), torch.from_numpy(ids), 4).tolist() == [20, 40, 10, 30]


def test_distances_of_tensors_are_those_of_arrays_and_of_the_strategies():
    rows = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    arrays = passes.squared_distances(rows, rows[:20])
    tensors = passes.squared_distances(torch.from_numpy(rows), torch.from_numpy(rows[:20]))
    assert isinstance(tensors, torch.Tensor)
    exact = np.square(rows[:, None].astype(np.float64) - rows[:20]).sum(axis=2)
    for found in (arrays, tensors.numpy(), Points((rows,)).squared_distances(Points((rows[:20],)))):
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-3)

"""ALFA-Mix: its shortcut against the paper's mixtures, made one by one with gradients by torch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelbench_ray import strategies
from labelbench_ray.strategies import alfa_mix
from labelbench_ray.strategies._head import Head
from labelbench_ray.strategies._kmeans import DIRECTIONS, central_rows
from labelbench_ray.strategies.alfa_mix import AlfaMix, class_means, least_epsilon
from labelbench_ray.types import PoolView
from tests.samples import make_pool

KEY = 5


def flipped(features: np.ndarray, head: Head, anchors: np.ndarray, epsilon: float) -> np.ndarray:
    """Whether some anchor changes a row's prediction: equation 5 of the paper, in float64."""
    rows = torch.from_numpy(features.astype(np.float64)).requires_grad_()
    weight, bias = (torch.from_numpy(array.astype(np.float64)) for array in (head.weight_DK, head.bias_K))
    logits = rows @ weight + bias
    predicted = logits.argmax(dim=1)
    torch.nn.functional.cross_entropy(logits, predicted, reduction="sum").backward()
    assert rows.grad is not None
    gradient, base = rows.grad, rows.detach()
    changed = torch.zeros(len(base), dtype=torch.bool)
    for anchor in torch.from_numpy(anchors.astype(np.float64)):
        gap = anchor - base
        share = epsilon * gap.norm(dim=1, keepdim=True) * gradient / gradient.norm(dim=1, keepdim=True) / gap
        mixed = share * anchor + (1 - share) * base
        changed |= (mixed @ weight + bias).argmax(dim=1) != predicted
    return changed.numpy()


def head_of(dimensions: int, classes: int, scale: float = 1.0) -> Head:
    rng = np.random.default_rng(classes)
    weight, bias = rng.normal(size=(dimensions, classes)), rng.normal(size=classes)
    return Head((scale * weight).astype(np.float32), (scale * bias).astype(np.float32))


def linear_view(rows: int, labeled: int = 20, scale: float = 1.0) -> PoolView:
    pool, head = make_pool(rows, labeled=labeled), head_of(6, 4, scale)
    return PoolView.from_linear(pool.embeddings, head.weight_DK, head.bias_K, pool.labeled, pool.labels)


@pytest.mark.parametrize(("classes", "scale"), [(2, 1.0), (3, 0.1), (10, 1.0), (10, 2.0)])
def test_a_row_is_a_candidate_where_an_explicit_mixture_changes_its_prediction(classes: int, scale: float):
    rng = np.random.default_rng(1)
    features = (2 * rng.normal(size=(400, 7))).astype(np.float32)
    anchors, head = rng.normal(size=(classes, 7)).astype(np.float32), head_of(7, classes, scale)
    least = least_epsilon(features, head, anchors)
    shares = []
    for epsilon in (0.01, 0.1, 0.3, 1.0, 3.0):
        clear = np.abs(least - epsilon) > 1e-3 * epsilon
        assert clear.mean() > 0.9
        np.testing.assert_array_equal((least < epsilon)[clear], flipped(features, head, anchors, epsilon)[clear])
        shares.append((least < epsilon).mean())
    assert shares[0] < shares[2] < shares[-1]


def test_certain_rows_keep_their_gradient_s_direction():
    """float32 probabilities of these rows are one-hot; what the other classes have still points somewhere."""
    features = np.array([[30.0, 1.0], [-28.0, 2.0]], np.float32)
    head = Head(np.array([[1.0, -1.0], [0.0, 0.0]], np.float32), np.zeros(2, np.float32))
    anchors = np.array([[0.0, 0.0], [-5.0, 1.0]], np.float32)
    far = np.linalg.norm(features[:, None] - anchors, axis=2).max(axis=1)
    np.testing.assert_allclose(least_epsilon(features, head, anchors), [30 / far[0], 28 / far[1]], rtol=1e-5)


def test_rows_that_cannot_move_are_no_candidates():
    features = np.ones((3, 2), np.float32)
    flat = Head(np.zeros((2, 3), np.float32), np.array([1, 0, 0], np.float32))
    assert np.isinf(least_epsilon(features, flat, np.zeros((3, 2), np.float32))).all()
    certain = Head(1000 * np.array([[1, 0, 0], [0, -1, 0]], np.float32), np.zeros(3, np.float32))
    assert np.isinf(least_epsilon(features, certain, np.zeros((3, 2), np.float32))).all()
    assert np.isinf(least_epsilon(features, head_of(2, 3), np.ones((3, 2), np.float32))).all()


def test_anchors_are_the_means_of_labeled_rows(monkeypatch: pytest.MonkeyPatch):
    pool = make_pool(200, labeled=40)
    monkeypatch.setattr(alfa_mix, "ROWS_AT_ONCE", 7)
    kept = pool.labels != 2
    pool = replace(pool, labeled=pool.labeled[kept], labels=pool.labels[kept])
    rows = pool.embeddings[pool.labeled].astype(np.float64)
    expected = [rows[pool.labels == label].mean(axis=0) if label != 2 else rows.mean(axis=0) for label in range(4)]
    np.testing.assert_allclose(class_means(pool.view()), expected, rtol=1e-5)


@pytest.mark.parametrize("budget", [3, 40, 150])
def test_the_bound_grows_until_there_are_more_candidates_than_rows_to_choose(budget: int):
    view = linear_view(400, scale=0.3)
    head, ids = head_of(6, 4, 0.3), view.open_ids()
    needed = least_epsilon(view.embeddings(ids), head, class_means(view)) * np.sqrt(6)
    bounds = [bound for bound in (0.2, 0.4, 0.6, 0.8, 1.0) if (needed < bound).sum() > budget]
    bound = bounds[0] if bounds else 1.0
    found = AlfaMix()._candidates(view, budget, KEY)
    clear = np.abs(needed - bound) > 1e-3
    np.testing.assert_array_equal(np.isin(ids, found)[clear], (needed < bound)[clear])
    assert len(found)


def test_chooses_the_central_rows_of_the_candidates():
    view = linear_view(500)
    found = AlfaMix()._candidates(view, 8, KEY)
    assert 8 < len(found) < 480
    expected = central_rows(view.only(found), 8, KEY, DIRECTIONS, AlfaMix().iterations)
    np.testing.assert_array_equal(AlfaMix().choose(view, 8, KEY, None), expected)
    assert np.isin(expected, found).all()


def test_fewer_candidates_than_the_budget_are_all_chosen():
    view = linear_view(150, scale=20)
    found = AlfaMix()._candidates(view, 128, KEY)
    assert 0 < len(found) < 128
    chosen = AlfaMix().choose(view, 128, KEY, None)
    assert set(found) <= set(chosen)
    assert len(np.unique(chosen)) == 128


@pytest.mark.parametrize("wrong", [0, 1.5])
def test_an_epsilon_out_of_range_is_refused(wrong: float):
    with pytest.raises(ValueError, match="epsilon"):
        strategies.create("alfa_mix", epsilon=wrong)

"""Passes over tensors against the same passes over arrays, on the CPU."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from labelbench_ray import strategies
from labelbench_ray.pool import passes
from labelbench_ray.pool.distributions import BERNOULLI, CATEGORICAL, Distribution
from labelbench_ray.pool.standardization import Standardization, standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies._on_device import DeviceClassifier
from labelbench_ray.strategies._centers import Points
from labelbench_ray.types import BLOCK_ROWS, PoolView

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
    np.testing.assert_array_equal((-tensors).argsort(stable=True).numpy(), (-arrays).argsort(kind="stable"))


def test_scores_of_certain_rows_keep_their_digits():
    rest = np.array([1e-9, 1e-15, 1e-30], np.float32)
    rows = np.stack([np.ones_like(rest), rest], axis=1)
    for score in SCORES:
        np.testing.assert_allclose(score(torch.from_numpy(rows)).numpy(), score(rows), rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["margin", "entropy", "confidence", "badge", "coreset", "kmeans", "typiclust", "bald", "power_margin"]
)
@pytest.mark.parametrize("hidden", [(), (16,)])
def test_strategies_choose_the_same_rows_with_a_model_on_a_device(name: str, hidden: tuple[int, ...]):
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(BLOCK_ROWS + 700, 12)).astype(np.float16)
    widths = (12, *hidden, 5)
    layers = tuple(
        (rng.normal(size=pair).astype(np.float32), rng.normal(size=pair[1]).astype(np.float32))
        for pair in pairwise(widths)
    )
    classifier = Classifier(standardize(embeddings), layers)
    chosen = [
        strategies.create(name).select(
            PoolView.from_model(embeddings, model, np.arange(50), np.arange(50) % 5), 40, np.random.default_rng(0)
        )
        for model in (classifier, classifier.on("cpu"))
    ]
    np.testing.assert_array_equal(*chosen)


def test_scores_of_a_model_on_a_device_are_made_there(monkeypatch: pytest.MonkeyPatch):
    kinds, score = set(), passes.small_margin
    monkeypatch.setattr(passes, "small_margin", lambda rows: kinds.add(type(rows)) or score(rows))
    view = PoolView.from_model(np.ones((90, 3), np.float32), on_device(np.ones((3, 2))), [], [])
    assert len(strategies.create("margin").select(view, 5, np.random.default_rng(0))) == 5
    assert kinds == {torch.Tensor}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factors", [1, 2])
def test_distances_of_tensors_are_those_of_arrays(dtype: type[np.floating], factors: int):
    rng = np.random.default_rng(1)
    rows = Points(tuple(rng.normal(size=(300, 9)).astype(dtype) for _ in range(factors)))
    centers = rows[np.arange(0, 300, 10)]
    on_tensors = Points(tuple(map(torch.from_numpy, rows.factors)))
    found, right = on_tensors.nearest(centers), rows.nearest(centers)
    assert isinstance(found, np.ndarray)
    assert found.dtype == right.dtype == dtype
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[::10], 0)


def test_residuals_of_tensors_are_those_of_arrays():
    rows = passes.softmax(logits(30.0))
    np.testing.assert_allclose(passes.residuals(torch.from_numpy(rows)).numpy(), passes.residuals(rows), rtol=1e-5)


@pytest.mark.parametrize("name", ["coreset", "badge"])
def test_distances_to_centers_are_computed_on_the_device_of_the_model(name: str, monkeypatch: pytest.MonkeyPatch):
    kinds, minimum = set(), passes.row_minimum
    monkeypatch.setattr(passes, "row_minimum", lambda rows: kinds.add(type(rows)) or minimum(rows))
    features = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    view = PoolView.from_model(features, on_device(np.eye(3, 2)), np.arange(5), np.arange(5) % 2)
    assert len(strategies.create(name).select(view, 5, np.random.default_rng(0))) == 5
    assert torch.Tensor in kinds


def test_a_diverged_model_on_a_device_is_refused():
    view = PoolView.from_model(np.ones((90, 3), np.float32), on_device(np.full((3, 2), np.nan)), [], [])
    with pytest.raises(ValueError, match="probabilities: row 0 holds NaN or infinity"):
        strategies.create("margin").select(view, 5, np.random.default_rng(0))


def test_independent_classes_are_scored_as_arrays():
    model = on_device(np.ones((3, 2)), BERNOULLI)
    assert isinstance(model.probabilities(np.zeros((4, 3), np.float32)), np.ndarray)
    view = PoolView.from_model(np.ones((90, 3), np.float32), model, [], np.empty((0, 2), np.int64))
    assert len(strategies.create("margin").select(view, 5, np.random.default_rng(0))) == 5


def on_device(weight: np.ndarray, distribution: Distribution = CATEGORICAL) -> DeviceClassifier:
    standardization = Standardization(np.zeros(3, np.float32), np.ones(3, np.float32))
    layers = ((weight.astype(np.float32), np.zeros(2, np.float32)),)
    return Classifier(standardization, layers, distribution).on("cpu")

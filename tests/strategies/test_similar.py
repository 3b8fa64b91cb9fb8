"""SIMILAR with FLQMI against greedy on the definition."""

from dataclasses import replace

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.strategies import similar
from labelbench_ray.types import PoolView
from tests.samples import Pool, make_pool


def with_rare_labels(rows: int = 120, labeled: int = 30, seed: int = 0) -> Pool:
    pool = make_pool(rows, classes=4, labeled=labeled, seed=seed)
    labels = np.where(np.arange(labeled) < 3, 1, np.where(np.arange(labeled) < 7, 2, 3))
    return replace(pool, labels=labels)


def by_definition(pool: Pool, budget: int, relevance: float) -> list[int]:
    """Greedy on f(A) = sum over queries of max_a s + relevance * sum over A of max_q s, gradients written out."""
    predicted = pool.probabilities.argmax(axis=1)
    predicted[pool.labeled] = pool.labels
    residuals = pool.probabilities.astype(np.float64)
    residuals[np.arange(len(predicted)), predicted] = 0
    residuals[np.arange(len(predicted)), predicted] = -residuals.sum(axis=1)
    inputs = np.concatenate([pool.embeddings, np.ones((len(predicted), 1))], axis=1).astype(np.float64)
    gradients = np.einsum("nk,nd->nkd", residuals, inputs).reshape(len(predicted), -1)
    gradients /= np.linalg.norm(gradients, axis=1, keepdims=True)
    counts = np.bincount(pool.labels, minlength=4)
    queries = pool.labeled[np.isin(pool.labels, np.flatnonzero(counts < counts.mean()))]
    likeness = np.maximum(gradients @ gradients[queries].T, 0)

    def value(chosen: list[int]) -> float:
        return likeness[chosen].max(axis=0).sum() + relevance * likeness[chosen].max(axis=1).sum()

    chosen: list[int] = []
    for _ in range(budget):
        left = [row for row in pool.unlabeled.tolist() if row not in chosen]
        chosen.append(max(left, key=lambda row: value([*chosen, row])))
    return chosen


@pytest.mark.parametrize("relevance", [0.3, 1.0])
@pytest.mark.parametrize("front", [2, 256])
def test_picks_what_greedy_on_the_definition_picks(relevance: float, front: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(similar, "FRONT_ROWS", front)
    for seed in range(3):
        pool = with_rare_labels(seed=seed)
        strategy = strategies.create("similar", relevance=relevance)
        chosen = strategy.select(pool.view(), 12, np.random.default_rng(0))
        assert chosen.tolist() == by_definition(pool, 12, relevance)


def test_finds_rows_of_the_rare_class():
    rng = np.random.default_rng(0)
    truth = (rng.random(2000) < 0.03).astype(int)
    embeddings = (rng.normal(size=(2000, 8)) + 3 * truth[:, None]).astype(np.float32)
    rare = 1 / (1 + np.exp(-(embeddings.mean(axis=1) - 2.5)))
    labeled = np.concatenate([np.flatnonzero(truth)[:3], np.flatnonzero(truth == 0)[:57]])
    probabilities = np.stack([1 - rare, rare], axis=1).astype(np.float32)
    view = PoolView.from_arrays(embeddings, probabilities, labeled, truth[labeled])
    chosen = strategies.create("similar").select(view, 30, np.random.default_rng(0))
    assert truth[chosen].mean() > 0.5


@pytest.mark.parametrize(
    ("labels", "queries"),
    [(np.full(30, 2), 30), (np.repeat([0, 1], 15), 30), (np.repeat([0, 1, 2, 3], [2, 3, 5, 20]), 10)],
)
def test_where_rare_classes_have_no_label_those_with_the_fewest_are_the_queries(labels: np.ndarray, queries: int):
    found = similar.queries_of(replace(with_rare_labels(), labels=labels).view(), 5000, key=0)
    assert found is not None
    assert len(found.residuals_BK) == queries


def test_no_more_queries_than_asked_for():
    found = similar.queries_of(with_rare_labels().view(), 5, key=0)
    assert found is not None
    assert len(found.residuals_BK) == 5

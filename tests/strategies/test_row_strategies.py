"""Confidence, margin and entropy against their definitions in float64; random against its law."""

import numpy as np
import pytest
from scipy import stats

from labelbench_ray import strategies
from labelbench_ray.plugins import Part, build
from labelbench_ray.types import PoolView
from tests.samples import write_module

EMPTY = np.empty(0, np.int64)


def confidence(row: np.ndarray) -> float:
    return 1 - max(row)


def margin(row: np.ndarray) -> float:
    first, second = sorted(row)[:-3:-1]
    return second - first


def entropy(row: np.ndarray) -> float:
    return -sum(p * np.log(p) for p in row if p > 0)


DEFINITIONS = {"confidence": confidence, "margin": margin, "entropy": entropy}


def select(name: str, probabilities: np.ndarray, budget: int, seed: int = 0, labeled: np.ndarray = EMPTY) -> np.ndarray:
    view = PoolView.from_arrays(
        np.zeros((len(probabilities), 1), np.float32), probabilities, labeled, np.zeros_like(labeled)
    )
    return strategies.create(name).select(view, budget, np.random.default_rng(seed))


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("classes", [2, 3, 50])
def test_ranks_by_its_definition(name: str, classes: int):
    probabilities = np.random.default_rng(classes).dirichlet(np.full(classes, 0.7), 300).astype(np.float32)
    labeled = np.arange(0, 300, 7)
    exact = probabilities.astype(np.float64) / probabilities.sum(axis=1, dtype=np.float64, keepdims=True)
    unlabeled = np.setdiff1d(np.arange(300), labeled)
    expected = sorted(unlabeled, key=lambda row: -DEFINITIONS[name](exact[row]))[:60]
    chosen = select(name, probabilities, 60, labeled=labeled)
    np.testing.assert_array_equal(chosen, expected)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_rows_whose_largest_probability_reads_one_keep_their_order(name: str):
    rest = np.random.default_rng(0).permutation(np.logspace(-9, -25, 200)).astype(np.float32)
    probabilities = np.stack([np.ones_like(rest), rest, rest / 3], axis=1)
    assert (probabilities.max(axis=1) == 1).all()
    np.testing.assert_array_equal(select(name, probabilities, 50), np.argsort(-rest)[:50])


@pytest.mark.parametrize("name", DEFINITIONS)
def test_confident_rows_of_a_linear_proxy_keep_their_order(name: str):
    embeddings = np.random.default_rng(0).permutation(np.linspace(20, 60, 200)).astype(np.float32)[:, None]
    view = PoolView.from_linear(embeddings, [[1, 0, 0]], [0, 0, -1], [], [])
    chosen = strategies.create(name).select(view, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(chosen, np.argsort(embeddings[:, 0])[:30])


@pytest.mark.parametrize("name", DEFINITIONS)
def test_in_two_classes_all_three_rank_alike(name: str):
    first = np.random.default_rng(1).permutation(np.linspace(0.01, 0.99, 98)).astype(np.float32)
    probabilities = np.stack([first, 1 - first], axis=1)
    distance = np.abs(first - 0.5)
    np.testing.assert_allclose(distance[select(name, probabilities, 40)], np.sort(distance)[:40], atol=1e-6)


def test_random_includes_every_row_equally_often_in_every_place():
    uniform = np.full((30, 2), 0.5, np.float32)
    picks = np.array([select("random", uniform, 10, seed) for seed in range(600)])
    for place in picks.T:
        assert stats.chisquare(np.bincount(place, minlength=30)).pvalue > 1e-4


def test_random_includes_every_pair_equally_often():
    uniform = np.full((8, 2), 0.5, np.float32)
    picks = np.array([np.sort(select("random", uniform, 2, seed)) for seed in range(1400)])
    pairs = np.bincount(picks[:, 0] * 8 + picks[:, 1], minlength=64)
    assert stats.chisquare(pairs[np.triu(np.ones((8, 8)), k=1).ravel() > 0]).pvalue > 1e-3


def test_random_does_not_look_at_the_proxy():
    rng = np.random.default_rng(0)
    one, other = (rng.dirichlet(np.ones(3), 100).astype(np.float32) for _ in range(2))
    np.testing.assert_array_equal(select("random", one, 20), select("random", other, 20))


NAN_STRATEGY = """
import numpy as np
from labelbench_ray.strategies import RowStrategy

class Diverged(RowStrategy):
    def score(self, block):
        return np.where(block.ids_B == {row}, np.{value}, 0.0)
"""


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_score_that_is_not_finite_is_refused_by_row(value, tmp_path, monkeypatch):
    path = write_module(tmp_path, f"diverged_{value}", NAN_STRATEGY.format(row=7, value=value), monkeypatch)
    strategy = build(strategies.Strategy, strategies.PACKAGE, Part(name=path))
    view = PoolView.from_arrays(np.zeros((20, 1), np.float32), np.full((20, 2), 0.5, np.float32), [], [])
    with pytest.raises(ValueError, match=f"returned {value} for row 7"):
        strategy.select(view, 3, np.random.default_rng(0))


def test_the_score_of_a_row_that_is_labeled_already_does_not_matter(tmp_path, monkeypatch):
    path = write_module(tmp_path, "labeled_nan", NAN_STRATEGY.format(row=7, value="nan"), monkeypatch)
    strategy = build(strategies.Strategy, strategies.PACKAGE, Part(name=path))
    view = PoolView.from_arrays(np.zeros((20, 1), np.float32), np.full((20, 2), 0.5, np.float32), [7], [0])
    assert 7 not in strategy.select(view, 19, np.random.default_rng(0))

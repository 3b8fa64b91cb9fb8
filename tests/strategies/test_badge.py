"""BADGE against gradients written out as outer products, and its draws against the law of k-means++."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from labelbench_ray import strategies
from labelbench_ray.pool.blocks import Block
from labelbench_ray.strategies import _spread
from labelbench_ray.strategies._centers import Points
from labelbench_ray.strategies.badge import gradient
from labelbench_ray.types import PoolView
from tests.samples import Pool, make_pool


def outer_products(pool: Pool) -> NDArray[np.float64]:
    """(N, K * D): the gradient of each row's cross-entropy at its predicted class."""
    residuals = pool.probabilities.astype(np.float64)
    residuals[np.arange(len(residuals)), pool.probabilities.argmax(axis=1)] -= 1
    return np.einsum("nk,nd->nkd", residuals, pool.embeddings.astype(np.float64)).reshape(len(residuals), -1)


def factors(pool: Pool) -> Points:
    rows = len(pool.embeddings)
    block = Block(np.arange(rows), np.zeros(rows, np.bool_), lambda: pool.probabilities.copy(), lambda: pool.embeddings)
    return Points(gradient(block))


def select(pool: Pool, budget: int, seed: int = 0) -> NDArray[np.int64]:
    return strategies.create("badge").select(pool.view(), budget, np.random.default_rng(seed))


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_distances_by_factors_are_those_of_the_outer_products(classes: int):
    pool = make_pool(80, classes)
    explicit = outer_products(pool)
    expected = np.square(explicit[:, None] - explicit).sum(axis=2)
    points = factors(pool)
    np.testing.assert_allclose(points.squared_distances(points), expected, rtol=1e-4, atol=1e-5 * expected.max())
    np.testing.assert_allclose(points.norms_B, np.square(explicit).sum(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(points.nearest(points[:7]), expected[:, :7].min(axis=1), rtol=1e-3, atol=1e-5)


def test_a_certain_row_keeps_the_digits_of_its_gradient():
    probabilities = np.array([[1.0, 1e-12, 0.0]], np.float32)
    block = Block(np.arange(1), np.zeros(1, np.bool_), lambda: probabilities, lambda: np.ones((1, 1), np.float32))
    np.testing.assert_allclose(gradient(block)[0], [[-1e-12, 1e-12, 0]], rtol=1e-5)


def test_starts_with_the_largest_gradient_of_the_unlabeled_rows():
    pool = make_pool(200)
    norms = np.square(outer_products(pool)).sum(axis=1)
    for seed in range(3):
        assert select(pool, 5, seed)[0] == pool.unlabeled[norms[pool.unlabeled].argmax()]


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A list that grows with each pass over the pool."""
    passes: list[None] = []
    nearest = _spread.nearest

    def counted(*arguments: Any) -> NDArray[Any]:
        passes.append(None)
        return nearest(*arguments)

    monkeypatch.setattr(_spread, "nearest", counted)
    return passes


def law_of_the_next(distances: NDArray[np.float64], drawn: list[int]) -> NDArray[np.float64]:
    nearest = distances[:, drawn].min(axis=1)
    nearest[drawn] = 0
    return nearest / nearest.sum()


def assert_has_law(counts: NDArray[np.int64], law: NDArray[np.float64]) -> None:
    assert counts[law == 0].sum() == 0
    assert stats.chisquare(counts[law > 0], counts.sum() * law[law > 0]).pvalue > 1e-3


@pytest.mark.parametrize("anew", [False, True], ids=["from stale distances", "from distances up to date"])
def test_the_second_and_third_draw_have_the_law_of_d_squared(anew: bool, monkeypatch: pytest.MonkeyPatch):
    passes = count_passes(monkeypatch)
    if anew:  # after each rejected proposal
        monkeypatch.setattr(_spread, "MOST_PROPOSALS", 1)
        monkeypatch.setattr(_spread, "FETCHING", 10**9)
    pool = make_pool(14, labeled=0)
    explicit = outer_products(pool)
    distances = np.square(explicit[:, None] - explicit).sum(axis=2)
    draws = np.array([select(pool, 3, seed) for seed in range(6000)])
    assert (len(passes) > 1.3 * len(draws)) == anew
    first = int(draws[0, 0])
    assert (draws[:, 0] == first).all()
    assert_has_law(np.bincount(draws[:, 1], minlength=14), law_of_the_next(distances, [first]))
    second = int(np.bincount(draws[:, 1]).argmax())
    thirds = draws[draws[:, 1] == second, 2]
    assert_has_law(np.bincount(thirds, minlength=14), law_of_the_next(distances, [first, second]))


def test_the_last_draws_have_their_law_too():
    """Drawing all but one row: the one that is left over has a law that is found by walking through all orders."""
    pool = make_pool(5, labeled=0, dimensions=2)
    explicit = outer_products(pool)
    distances = np.square(explicit[:, None] - explicit).sum(axis=2)
    first = int(np.square(explicit).sum(axis=1).argmax())

    def left_over(drawn: list[int], probability: float) -> NDArray[np.float64]:
        if len(drawn) == 4:
            return probability * np.eye(5)[(set(range(5)) - set(drawn)).pop()]
        law = law_of_the_next(distances, drawn)
        return sum(left_over([*drawn, row], probability * law[row]) for row in np.flatnonzero(law))

    chosen = [select(pool, 4, seed) for seed in range(3000)]
    missing = np.bincount([(set(range(5)) - set(drawn.tolist())).pop() for drawn in chosen], minlength=5)
    assert_has_law(missing, left_over([first], 1.0))


def test_spread_starts_uniformly_and_goes_on_by_d_squared():
    pool = make_pool(10, labeled=0)
    distances = np.square(pool.embeddings[:, None].astype(np.float64) - pool.embeddings).sum(axis=2)
    draws = np.array([_spread.spread(pool.view(), lambda block: (block.embeddings_BD,), 2, key) for key in range(5000)])
    assert_has_law(np.bincount(draws[:, 0], minlength=10), np.full(10, 0.1))
    second = sum(law_of_the_next(distances, [row]) for row in range(10)) / 10
    assert_has_law(np.bincount(draws[:, 1], minlength=10), second)


def test_a_pool_of_few_distinct_rows_gives_each_of_them_before_a_second_copy():
    distinct = make_pool(30, labeled=0)
    copies = np.repeat(np.arange(30), 20)
    view = PoolView.from_arrays(distinct.embeddings[copies], distinct.probabilities[copies], [], [])
    chosen = strategies.create("badge").select(view, 40, np.random.default_rng(0))
    assert len(np.unique(copies[chosen[:30]])) == 30
    assert len(np.unique(chosen)) == 40


def test_rows_without_a_gradient_come_last():
    pool = make_pool(60, labeled=0)
    pool.probabilities[10:] = np.eye(4, dtype=np.float32)[pool.truth[10:]]
    assert len(set(select(pool, 10)) - set(range(10))) <= 1  # all of them lie at the origin, and one may be drawn

"""Core-set against plain farthest-first in float64: the same rows in the same order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw
from numpy.typing import NDArray

from labelbench_ray import strategies
from labelbench_ray.strategies import _farthest
from labelbench_ray.types import PoolView
from tests.samples import make_pool


def plain(embeddings: NDArray[np.floating], labeled: NDArray[np.int64], budget: int) -> list[int]:
    """Farthest-first by differences in float64, one center at a time."""
    embeddings = embeddings.astype(np.float64)
    distances = np.full(len(embeddings), np.inf)
    chosen: list[int] = []
    for center in labeled:
        distances = np.minimum(distances, np.square(embeddings - embeddings[center]).sum(axis=1))
    distances[labeled] = -1
    while len(chosen) < budget:
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.square(embeddings - embeddings[chosen[-1]]).sum(axis=1))
        distances[labeled] = distances[chosen] = -1
    return chosen


def select(embeddings: NDArray[np.floating], labeled: NDArray[np.int64], budget: int, seed: int = 0) -> list[int]:
    uniform = np.full((len(embeddings), 2), 0.5, np.float32)
    view = PoolView.from_arrays(embeddings, uniform, labeled, np.zeros_like(labeled))
    return strategies.create("coreset").select(view, budget, np.random.default_rng(seed)).tolist()


def scattered(rows: int, dimensions: int, clusters: int, spread: float, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(clusters, dimensions))
    return (centers[rng.integers(0, clusters, rows)] + spread * rng.normal(size=(rows, dimensions))).astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "dimensions", "clusters", "spread"),
    [(6000, 32, 10, 1.0), (6000, 32, 300, 0.02), (5000, 2, 5, 0.3), (3000, 100, 1, 1.0), (9000, 8, 40, 0.0)],
    ids=["clusters", "tight clusters", "a plane", "one cloud", "duplicates"],
)
def test_picks_what_plain_farthest_first_picks(rows: int, dimensions: int, clusters: int, spread: float):
    embeddings = scattered(rows, dimensions, clusters, spread, seed=rows)
    labeled = np.random.default_rng(1).choice(rows, 150, replace=False)
    budget = 400 if spread else clusters - len(np.unique(embeddings[labeled], axis=0))
    assert select(embeddings, labeled, budget) == plain(embeddings, labeled, budget)


def test_draws_its_circles_anew_as_often_as_it_takes(monkeypatch: pytest.MonkeyPatch):
    """With tiny circles, each row passes through all of them, and bounds are brought up to date many times."""
    monkeypatch.setattr(_farthest, "NEARER", (40, 10_000))
    monkeypatch.setattr(_farthest, "ACTIVATED", (20, 10_000))
    monkeypatch.setattr(_farthest, "PROPOSALS", 8)
    monkeypatch.setattr(_farthest, "HUBS", 4)
    monkeypatch.setattr(_farthest, "FETCHED_AT_ONCE", 32)
    monkeypatch.setattr(_farthest, "FETCHING", 1)
    monkeypatch.setattr(_farthest, "REFRESHING", 1)
    embeddings = scattered(2000, 16, 30, 0.5, seed=3)
    labeled = np.random.default_rng(1).choice(2000, 100, replace=False)
    assert select(embeddings, labeled, 500) == plain(embeddings, labeled, 500)


@settings(max_examples=50)
@given(data=draw.data())
def test_each_pick_is_as_far_as_any_row(data: draw.DataObject):
    """On small grids of integers, where many distances tie: any of the farthest rows is right."""
    rows = data.draw(draw.integers(2, 40), "rows")
    seed = data.draw(draw.integers(0, 10_000), "seed")
    rng = np.random.default_rng(seed)
    embeddings = rng.integers(0, 3, size=(rows, data.draw(draw.integers(1, 3), "dimensions"))).astype(np.float32)
    labeled = rng.choice(rows, data.draw(draw.integers(0, rows - 1), "labeled"), replace=False)
    centers = labeled.tolist()
    for row in select(embeddings, labeled, rows - len(labeled), seed):
        if centers:
            nearest = np.square(embeddings[:, None] - embeddings[centers]).sum(axis=2).min(axis=1)
            nearest[centers] = -1
            assert nearest[row] == nearest.max()
        centers.append(row)


def test_without_labels_the_first_row_is_random_and_the_rest_farthest():
    pool = make_pool(300, labeled=0)
    firsts = set()
    for seed in range(5):
        chosen = select(pool.embeddings, pool.labeled, 50, seed)
        firsts.add(chosen[0])
        assert chosen[1:] == plain(pool.embeddings, np.array(chosen[:1]), 49)
    assert len(firsts) > 1


def test_far_from_the_origin_nothing_is_lost():
    """Distances of 1 beside norms of 10,000: float32 products alone would see noise."""
    embeddings = scattered(1500, 8, 1, 1.0, seed=0) + np.float32(3000)
    labeled = np.arange(10)
    assert select(embeddings, labeled, 200) == plain(embeddings, labeled, 200)


@pytest.mark.parametrize("labeled_outlier", [False, True])
def test_one_far_row_does_not_blur_the_others(labeled_outlier: bool):
    embeddings = scattered(3000, 8, 1, 1.0, seed=0)
    embeddings[50 if labeled_outlier else 2000] *= 1e6
    labeled = np.arange(100)
    assert select(embeddings, labeled, 200) == plain(embeddings, labeled, 200)


def test_embeddings_too_large_to_be_squared_are_refused_by_name():
    with pytest.raises(ValueError, match=r"embeddings: .* row \d+ .*below 1e18"):
        select(np.full((100, 3), 1e20, np.float32) * np.arange(100, dtype=np.float32)[:, None], np.arange(5), 20)

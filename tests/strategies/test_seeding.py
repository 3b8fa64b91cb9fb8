"""The seeds of k-means++ are scikit-learn's, also where rows are equal and where all are covered."""

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus

from labelbench_ray.strategies._seeding import LANES, Rows, seeds
from labelbench_ray.strategies.probcover import pseudo_labels


def rows(count: int, dimensions: int, distinct: int) -> np.ndarray:
    """Unit vectors, only so many of which are distinct."""
    rng = np.random.default_rng(count + dimensions)
    points = rng.normal(size=(distinct, dimensions))[rng.integers(0, distinct, count)]
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("count", "dimensions", "distinct", "clusters"),
    [
        (1, 3, 1, 1),
        (LANES + 1, 2, 10**6, 20),
        (2000, 17, 10**6, 300),
        (1000, 600, 10**6, 60),
        (500, 9, 40, 39),
        (500, 9, 40, 80),
        (1000, 33, 3, 50),
        (200, 5, 1, 7),
    ],
)
def test_the_seeds_are_those_of_scikit_learn(count: int, dimensions: int, distinct: int, clusters: int):
    points = rows(count, dimensions, distinct)
    for seed in range(5 if count * dimensions < 10**5 else 2):
        theirs, _ = kmeans_plusplus(points, clusters, random_state=np.random.RandomState(seed))
        np.testing.assert_array_equal(seeds(points, clusters, np.random.RandomState(seed)), theirs)


@pytest.mark.parametrize("distinct", [10**6, 30])
def test_the_pseudo_labels_are_those_of_scikit_learn_s_own_start(distinct: int):
    points = rows(1500, 20, distinct)
    for seed in range(2):
        means = KMeans(60, n_init=1, max_iter=30, random_state=seed).fit(points)
        np.testing.assert_array_equal(pseudo_labels(points, 60, seed), means.labels_)


def test_distances_are_rounded_from_float64():
    points = rows(LANES * 3 + 5, 50, 10**6)
    exact = np.square(points[[7, 70], None].astype(np.float64) - points.astype(np.float64)).sum(axis=2)
    np.testing.assert_allclose(Rows(points).squared_distances(np.array([7, 70])), exact, rtol=1e-7, atol=1e-14)

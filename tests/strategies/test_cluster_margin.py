"""Cluster-Margin against a naive round robin, average linkage against scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from labelbench_ray import strategies
from labelbench_ray.strategies.cluster_margin import average_linkage
from tests.samples import Pool, make_pool

CLUSTERS = 12


def margins(pool: Pool) -> np.ndarray:
    ordered = np.sort(pool.probabilities.astype(np.float64), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def smallest(pool: Pool, count: int) -> np.ndarray:
    return pool.unlabeled[np.argsort(margins(pool)[pool.unlabeled])[:count]]


def clusters_by_scikit_learn(pool: Pool) -> np.ndarray:
    labels = AgglomerativeClustering(CLUSTERS, linkage="average").fit_predict(pool.embeddings.astype(np.float64))
    means = np.array([pool.embeddings[labels == cluster].mean(axis=0) for cluster in range(CLUSTERS)])
    return cdist(pool.embeddings, means).argmin(axis=1)


def choose(pool: Pool, budget: int, seed: int = 0, **settings: float) -> np.ndarray:
    strategy = strategies.create("cluster_margin", **{"clusters": CLUSTERS, **settings})
    return strategy.select(pool.view(), budget, np.random.default_rng(seed))


@pytest.mark.parametrize("clusters", [1, 5, 40, 300, 1_000])
def test_average_linkage_is_that_of_scikit_learn(clusters: int):
    rows = make_pool(300, dimensions=7).embeddings + 100
    labels = average_linkage(rows, clusters)
    theirs = AgglomerativeClustering(min(clusters, 300), linkage="average").fit_predict(rows.astype(np.float64))
    assert adjusted_rand_score(labels, theirs) == 1
    assert set(labels) == set(range(min(clusters, 300)))


def test_equal_rows_are_one_cluster():
    rows = np.repeat(np.random.default_rng(0).normal(size=(3, 29)), 50, axis=0).astype(np.float32)
    assert len(set(average_linkage(rows, 60))) == 3
    np.testing.assert_array_equal(average_linkage(rows[:1], 60), [0])


def test_rows_come_from_the_clusters_that_a_naive_round_robin_visits():
    pool = make_pool(400)
    clusters = clusters_by_scikit_learn(pool)
    waiting = {cluster: list(rows) for cluster in range(CLUSTERS) if (rows := candidates_in(pool, clusters, cluster))}
    by_size = sorted(waiting, key=lambda cluster: len(waiting[cluster]))
    assert len(by_size) > 5
    expected: list[int] = []
    while len(expected) < 20:
        for cluster in by_size:
            if waiting[cluster] and len(expected) < 20:
                waiting[cluster].pop()
                expected.append(cluster)
    chosen = choose(pool, 20, candidates=4)
    assert np.isin(chosen, smallest(pool, 80)).all()
    sizes = {cluster: len(candidates_in(pool, clusters, cluster)) for cluster in by_size}
    assert [sizes[cluster] for cluster in clusters[chosen]] == [sizes[cluster] for cluster in expected]
    assert np.bincount(clusters[chosen[: len(by_size)]]).max() == 1


def candidates_in(pool: Pool, clusters: np.ndarray, cluster: int) -> list[int]:
    return [row for row in smallest(pool, 80) if clusters[row] == cluster]


def test_a_row_of_a_cluster_is_chosen_at_random():
    pool = make_pool(400)
    draws = {tuple(sorted(choose(pool, 20, seed, candidates=4))) for seed in range(10)}
    assert len(draws) == 10


def test_with_one_candidate_for_each_row_it_is_margin():
    pool = make_pool(400)
    np.testing.assert_array_equal(np.sort(choose(pool, 30, candidates=1)), np.sort(smallest(pool, 30)))


def test_a_fraction_of_a_candidate_is_rounded_up():
    pool = make_pool(400)
    assert np.isin(choose(pool, 3, candidates=1.25), smallest(pool, 4)).all()


def test_covers_more_clusters_than_margin_does():
    """The smallest margins lie in one of ten blobs; its rows would fill the batch."""
    rng = np.random.default_rng(0)
    blob = np.repeat(np.arange(10), 60)
    top = rng.uniform(0.55, 0.6, 600) - 0.04 * (blob == 0)
    pool = replace(
        make_pool(600, labeled=0),
        embeddings=(20 * rng.normal(size=(10, 6))[blob] + rng.normal(size=(600, 6))).astype(np.float32),
        probabilities=np.stack([top, 1 - top], axis=1).astype(np.float32),
    )
    assert set(blob[smallest(pool, 10)]) == {0}
    assert len(set(blob[choose(pool, 10, candidates=20, clusters=10)])) > 5


def test_a_sample_of_one_row_leaves_the_smallest_margins_in_any_order():
    pool = make_pool(100)
    assert np.isin(choose(pool, 5, sample=1), smallest(pool, 13)).all()


@pytest.mark.parametrize(("budget", "looked_at"), [(30, 200), (180, 225)])
def test_no_more_than_half_of_a_small_pool_is_looked_at(budget: int, looked_at: int):
    """Ten for each would be 300 and 1,800 of its 400 rows: margins would decide little or nothing."""
    pool = make_pool(400, labeled=0)
    for seed in range(3):
        chosen = choose(pool, budget, seed, candidates=10)
        assert np.isin(chosen, smallest(pool, looked_at)).all()
        assert not np.isin(chosen, smallest(pool, looked_at - 20)).all()


@pytest.mark.parametrize("far", [1.0, 1e6])
@pytest.mark.parametrize("offset", [0.0, 3e3])
def test_neither_a_far_row_nor_what_all_share_hides_the_blobs(far: float, offset: float):
    rng = np.random.default_rng(0)
    blob = np.repeat(np.arange(10), 60)
    rows = 3 * rng.normal(size=(10, 6))[blob] + 0.05 * rng.normal(size=(600, 6))
    rows[599] *= far
    top = rng.uniform(0.55, 0.6, 600)
    top[599] = 0.9
    pool = replace(
        make_pool(600, labeled=0),
        embeddings=(rows + offset).astype(np.float32),
        probabilities=np.stack([top, 1 - top], axis=1).astype(np.float32),
    )
    assert set(blob[choose(pool, 10, candidates=30, clusters=10 + (far > 1))]) == set(range(10))


@pytest.mark.parametrize("wrong", [{"candidates": 0.5}, {"sample": 0}, {"clusters": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        strategies.create("cluster_margin", **wrong)


def test_by_default_two_and_a_half_rows_of_small_margin_are_looked_at_for_each_row_to_be_chosen():
    """Small clusters come first: they reach every row that is looked at, and no other."""
    pool = make_pool(400)
    budget = 20
    chosen = [row for seed in range(20) for row in choose(pool, budget, seed)]
    assert set(chosen) <= set(smallest(pool, 50).tolist())
    assert set(chosen) - set(smallest(pool, 40).tolist())

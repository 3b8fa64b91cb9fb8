"""TypiClust against brute force straight from the paper, and its order of clusters by hand."""

import numpy as np
import pytest

from labelbench_ray.strategies import typiclust
from labelbench_ray.strategies._kmeans import Members, centered, fit, members, on_sphere
from labelbench_ray.strategies._sampling import sample
from labelbench_ray.strategies.typiclust import COVERED, TypiClust, typicality
from labelbench_ray.types import PoolView
from tests.samples import make_pool

KEY = 3


def brute_typicality(points: np.ndarray, neighbors: int) -> np.ndarray:
    points = points.astype(np.float64)
    count = min(neighbors, len(points) // 2)
    found = []
    for row in range(len(points)):
        apart = sorted(np.linalg.norm(points[row] - other) for place, other in enumerate(points) if place != row)
        found.append(1 / (np.mean(apart[:count]) + 1e-5))
    return np.array(found)


def grouped(sizes: list[int], labeled_of_each: list[int]) -> tuple[Members, np.ndarray]:
    """Members of clusters 0, 1, ... of these sizes with shuffled ids, and so many labeled ids of each."""
    clusters = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    ids = 10 * np.arange(len(clusters))
    labeled = [ids[clusters == cluster][:count] for cluster, count in enumerate(labeled_of_each)]
    return Members(ids, clusters, np.zeros(len(ids))), np.concatenate(labeled)


@pytest.mark.parametrize("rows", [2, 3, 9, 60])
def test_typicality_is_that_of_the_paper(rows: int):
    points = on_sphere(np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32))
    np.testing.assert_allclose(typicality(points, 20), brute_typicality(points, 20), rtol=1e-4)


def test_typicality_of_equal_rows_ties():
    points = on_sphere(np.repeat(np.random.default_rng(0).normal(size=(1, 37)), 301, axis=0).astype(np.float32))
    assert len(np.unique(typicality(points, 20))) == 1
    assert len(typicality(points[:1], 20)) == 1


def test_distances_are_not_squared():
    """Neighbors at 0.6 and 0.6 are farther than at 0.1 and 1.05 in the mean, nearer in the mean of squares."""
    points = np.array([[0, 0], [0.6, 0], [0, 0.6], [9, 0], [9.1, 0], [9, 1.05]], np.float32)
    first, second = typicality(points, 2)[[0, 3]]
    np.testing.assert_allclose([first, second], brute_typicality(points, 2)[[0, 3]], rtol=1e-4)
    assert first < second


def test_clusters_have_their_turns_by_labels_and_then_by_size():
    rows, labeled = grouped([30, 12, 5, 40, 8, 20], [2, 0, 0, 1, 0, 2])
    order = TypiClust()._in_order(rows, labeled)
    assert [len(group) for group in order] == [12, 8, 39, 28, 18]
    for group, cluster in zip(order, [1, 4, 3, 0, 5], strict=True):
        mine = rows.ids_C[rows.clusters_C == cluster]
        np.testing.assert_array_equal(group, np.setdiff1d(mine, labeled))


def test_small_clusters_count_only_where_there_are_no_others():
    rows, labeled = grouped([5, 3, 4], [0, 1, 4])
    assert [len(group) for group in TypiClust()._in_order(rows, labeled)] == [5, 2]
    assert [len(group) for group in TypiClust(smallest=3)._in_order(rows, labeled)] == [5]


def test_chooses_the_most_typical_row_of_each_cluster_in_turn():
    pool = make_pool(900, classes=8, dimensions=5, labeled=10)
    view = pool.view()
    chosen = TypiClust().choose(view, 40, KEY, None)
    cloud = centered(view, COVERED, KEY)
    rows = members(view, fit(view, 50, KEY, cloud, TypiClust().iterations), cloud)
    np.testing.assert_array_equal(rows.ids_C, np.arange(900))
    places = np.arange(900)
    open_rows = np.isin(places, pool.unlabeled)
    clusters = [places[rows.clusters_C == cluster] for cluster in np.unique(rows.clusters_C)]
    clusters = [cluster for cluster in clusters if len(cluster) > 5 and open_rows[cluster].any()]
    assert 20 < len(clusters) <= 50
    clusters.sort(key=lambda cluster: (np.isin(cluster, pool.labeled).sum(), -len(cluster)))
    expected = []
    for cluster in clusters[:40]:
        mine = cluster[open_rows[cluster]]
        expected.append(mine[brute_typicality(on_sphere(pool.embeddings[mine]), 20).argmax()])
    sizes = [(np.isin(cluster, pool.labeled).sum(), len(cluster)) for cluster in clusters]
    assert len(set(sizes)) > 10
    # Clusters of equal labels and size may have their turns in any order.
    assert set(expected[: len(expected) - 5]) <= set(chosen.tolist())
    distinct = [row for row, size in zip(expected, sizes, strict=False) if sizes.count(size) == 1]
    assert [row for row in chosen if row in distinct] == distinct


def test_the_second_turn_takes_the_second_most_typical_row():
    pool = make_pool(200, classes=2, dimensions=3, labeled=0)
    strategy = TypiClust(clusters=2)
    view = pool.view()
    chosen = strategy.choose(view, 6, KEY, None)
    cloud = centered(view, COVERED, KEY)
    rows = members(view, fit(view, 2, KEY, cloud, strategy.iterations), cloud)
    for cluster in (0, 1):
        mine = rows.ids_C[rows.clusters_C == cluster]
        ranks = mine[np.argsort(-brute_typicality(on_sphere(pool.embeddings[mine]), 20))]
        np.testing.assert_array_equal([row for row in chosen if row in mine], ranks[:3])
    assert (rows.clusters_C[chosen[:2]] != rows.clusters_C[chosen[1:3]]).all()


def test_groups_read_one_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch):
    view = make_pool(600).view()
    together = TypiClust().choose(view, 25, KEY, None)
    monkeypatch.setattr(typiclust, "ROWS_AT_ONCE", 30)
    np.testing.assert_array_equal(TypiClust().choose(view, 25, KEY, None), together)


def test_a_cap_on_members_samples_them():
    pool = make_pool(600, classes=3)
    view, strategy = pool.view(), TypiClust(members=10, clusters=3)
    chosen = strategy.choose(view, 45, KEY, None)
    groups = strategy._in_order(members(view, fit(view, 3, KEY, COVERED, strategy.iterations), COVERED), pool.labeled)
    assert min(map(len, groups)) > 50
    for group in groups:
        assert set(chosen[:30]) & set(group) == set(sample(group, KEY, 10))
    assert len(np.unique(chosen)) == 45
    assert np.isin(chosen, pool.unlabeled).all()


def test_labeled_rows_keep_other_rows_of_their_cluster_for_later():
    """Blobs in eight directions, six of them labeled: the first two picks come from the other two."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(8), 40)
    rows = (10 * np.eye(8)[truth] + 0.1 * rng.normal(size=(320, 8))).astype(np.float32)
    labeled = np.array([40 * blob + 3 for blob in range(6)])
    view = PoolView.from_arrays(rows, np.full((320, 8), 1 / 8, np.float32), labeled, truth[labeled])
    for seed in range(20):
        assert set(truth[TypiClust().select(view, 2, np.random.default_rng(seed))]) == {6, 7}

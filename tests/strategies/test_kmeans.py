"""k-means of a sharded pool against scikit-learn, exact integer sums and brute force."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from labelbench_ray import strategies
from labelbench_ray.strategies import _kmeans
from labelbench_ray.strategies._kmeans import (
    DIRECTIONS,
    FEATURES,
    Members,
    central_rows,
    distances,
    filled,
    fit,
    in_turn,
    members,
    nearest,
    on_sphere,
    squared_distances,
)
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import Pool, make_pool

KEY = 7


def view_of(embeddings: np.ndarray, shards: int = 1) -> PoolView:
    none = np.empty(0, np.int64)
    uniform = np.full((len(embeddings), 2), 0.5, np.float32)
    return PoolView.from_arrays(embeddings.astype(np.float32), uniform, none, none, shards=shards)


def started(view: PoolView, clusters: int, cloud: _kmeans.Cloud = FEATURES) -> np.ndarray:
    """The points at which the clusters start."""
    return _kmeans._initial(view, clusters, subkey(KEY, "centroids"), cloud)


def inertia(points: np.ndarray, centroids: np.ndarray) -> float:
    return float(cdist(points, centroids, "sqeuclidean").min(axis=1).sum())


@pytest.mark.parametrize("iterations", [1, 3, 50])
def test_lloyd_gives_the_centroids_that_scikit_learn_gives(iterations: int):
    pool = make_pool(2_000, classes=6, dimensions=8)
    view = pool.view()
    theirs = KMeans(12, init=started(view, 12), n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
    theirs.fit(pool.embeddings[pool.unlabeled])
    np.testing.assert_allclose(fit(view, 12, KEY, FEATURES, iterations), theirs.cluster_centers_, atol=2e-5)


def test_on_the_sphere_too():
    pool = make_pool(2_000, classes=6, dimensions=8)
    view = pool.view()
    theirs = KMeans(12, init=started(view, 12, DIRECTIONS), n_init=1, max_iter=50, tol=0, algorithm="lloyd")
    theirs.fit(on_sphere(pool.embeddings[pool.unlabeled]))
    np.testing.assert_allclose(fit(view, 12, KEY, DIRECTIONS, 50), theirs.cluster_centers_, atol=2e-6)


def test_chooses_the_row_nearest_to_each_centroid():
    pool = make_pool(500)
    view = pool.view()
    centroids = fit(view, 20, KEY, FEATURES, 10).astype(np.float64)
    apart = cdist(pool.embeddings[pool.unlabeled], centroids)
    mine = apart.argmin(axis=1)
    expected = [pool.unlabeled[np.where(mine == g, apart[:, g], np.inf).argmin()] for g in range(20)]
    np.testing.assert_array_equal(central_rows(view, 20, KEY, FEATURES, 10), expected)


def test_more_iterations_never_cost_more():
    pool = make_pool(1_500, dimensions=10)
    costs = [inertia(pool.embeddings[pool.unlabeled], fit(pool.view(), 25, KEY, FEATURES, n)) for n in range(1, 12)]
    assert (np.diff(costs) <= 1e-6 * costs[0]).all()
    assert costs[-1] < 0.95 * costs[0]


def test_sums_are_those_of_exact_integers_for_any_cut():
    rng = np.random.default_rng(0)
    rows = 5 * BLOCK_ROWS - 77
    points = (rng.normal(size=(rows, 3)) * 10.0 ** rng.integers(-6, 6, (rows, 1))).astype(np.float32)
    centroids = points[:4]
    grid = _kmeans._grid(view_of(points), FEATURES)
    whole = np.rint(points.astype(np.float64) / grid).astype(np.int64)
    # 20,403 rows take 15 bits of the 52.
    assert 2**36 - 1 < np.abs(whole).max() <= 2**37
    for shards in (1, 3, 5):
        view = view_of(points, shards)
        parts = view.map(partial(_kmeans._sums, centroids_GD=centroids, cloud=FEATURES, grid=grid))
        sums, counts = np.zeros((4, 3)), np.zeros(4, np.int64)
        for held, part, sizes in parts:
            sums[held] += part
            counts[held] += sizes
        mine = members(view, centroids, FEATURES).clusters_C
        for g in range(4):
            assert counts[g] == (mine == g).sum()
            assert sums[g].tolist() == [sum(column.tolist()) for column in whole[mine == g].T]


@pytest.mark.parametrize("cloud", [FEATURES, DIRECTIONS], ids=["features", "directions"])
def test_centroids_have_the_same_bits_on_any_number_of_shards(cloud: _kmeans.Cloud):
    pool = make_pool(7 * BLOCK_ROWS - 5, dimensions=5)
    one, two, seven = (fit(pool.view(shards), 40, KEY, cloud, 6) for shards in (1, 2, 7))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, seven)


def test_many_pieces_of_a_block_give_the_same_clusters(monkeypatch: pytest.MonkeyPatch):
    pool = make_pool(3_000, dimensions=5)
    centroids = pool.embeddings[:30]
    whole = members(pool.view(), centroids, FEATURES).clusters_C
    np.testing.assert_array_equal(
        whole, cdist(pool.embeddings[pool.unlabeled], centroids.astype(np.float64)).argmin(axis=1)
    )
    monkeypatch.setattr(_kmeans, "SCORES_AT_ONCE", 1_000)
    np.testing.assert_array_equal(members(pool.view(), centroids, FEATURES).clusters_C, whole)


def test_clusters_that_start_at_equal_rows_find_the_others():
    rows = np.concatenate([np.tile([[5.0, 1.0]], (96, 1)), [[0, 0], [9, 9], [-4, 3], [2, -8]]])
    for seed in range(20):
        chosen = strategies.create("kmeans").select(view_of(rows), 5, np.random.default_rng(seed))
        assert len(np.unique(rows[chosen], axis=0)) == 5


def test_takes_one_row_from_each_of_as_many_blobs():
    blob = np.repeat(np.arange(30), [4 + size for size in range(30)])
    rng = np.random.default_rng(0)
    rows = 50 * rng.normal(size=(30, 5))[blob] + 0.01 * rng.normal(size=(len(blob), 5))
    for seed in range(20):
        chosen = strategies.create("kmeans").select(view_of(rows), 30, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.sort(blob[chosen]), np.arange(30))


def blobs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 30 blobs in five dimensions, and the blob of each."""
    blob = np.repeat(np.arange(30), 10)
    return 3 * rng.normal(size=(30, 5))[blob] + 0.05 * rng.normal(size=(300, 5)), blob


@pytest.mark.parametrize("offset", [3e3, -3e4])
def test_what_all_rows_share_does_not_hide_the_blobs(offset: float):
    rows, blob = blobs(np.random.default_rng(0))
    for seed in range(5):
        chosen = strategies.create("kmeans").select(view_of(rows + offset), 30, np.random.default_rng(seed))
        assert len(np.unique(blob[chosen])) >= 29


def test_what_all_directions_share_does_not_hide_the_blobs():
    """Of directions so close together float32 keeps few digits; uncentered distances of them would all read 0."""
    rows, blob = blobs(np.random.default_rng(0))
    rows = np.concatenate([rows, np.full((300, 1), 1e4)], axis=1)
    for key in range(5):
        assert len(np.unique(blob[central_rows(view_of(rows), 30, key, DIRECTIONS, 15)])) >= 27


def test_one_row_far_away_does_not_hide_the_blobs():
    rows, blob = blobs(np.random.default_rng(0))
    rows[17] *= 1e7
    for seed in range(5):
        chosen = strategies.create("kmeans").select(view_of(rows), 31, np.random.default_rng(seed))
        assert 17 in chosen
        assert len(np.unique(blob[chosen])) >= 29
        centroids = fit(view_of(rows), 31, seed, FEATURES, 15)
        near = cdist(rows[blob != blob[17]], centroids, "sqeuclidean").min(axis=1)
        assert np.median(near) < 10 * 0.05**2


def test_shards_send_only_the_clusters_that_they_hold():
    rows = np.repeat([[0.0], [10.0]], BLOCK_ROWS, axis=0)
    view = view_of(rows, 2)
    parts = view.map(partial(_kmeans._sums, centroids_GD=rows[[0, -1]].astype(np.float32), cloud=FEATURES, grid=1.0))
    assert [held.tolist() for held, _, _ in parts] == [[0], [1]]
    assert [sums.tolist() for _, sums, _ in parts] == [[[0.0]], [[10.0 * BLOCK_ROWS]]]


def test_nothing_is_drawn_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_kmeans, "sample", None)
    np.testing.assert_array_equal(filled(view_of(np.zeros((9, 1))), np.array([7, 3, 2]), 2, KEY), [7, 3])


def test_sums_of_groups():
    sums = _kmeans.group_sums(np.array([[1.0, 2], [3, 4], [5, 6]], np.float32), np.array([2, 0, 2]), 4)
    np.testing.assert_array_equal(sums, [[3, 4], [0, 0], [6, 8], [0, 0]])


def test_on_the_sphere_only_directions_count():
    rng = np.random.default_rng(0)
    direction = np.repeat(np.arange(12), 20)
    rows = np.eye(12)[direction] * 10.0 ** rng.uniform(-4, 4, (240, 1)) * (1 + 0.01 * rng.normal(size=(240, 12)))
    chosen = central_rows(view_of(rows), 12, KEY, DIRECTIONS, 5)
    np.testing.assert_array_equal(np.sort(direction[chosen]), np.arange(12))


def test_fewer_distinct_rows_than_the_budget():
    rows = np.repeat([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]], 10, axis=0)
    chosen = strategies.create("kmeans").select(view_of(rows), 8, np.random.default_rng(0))
    assert len(np.unique(rows[chosen[:3]], axis=0)) == 3
    assert len(np.unique(chosen)) == 8


def test_a_cluster_that_loses_its_rows_starts_again_elsewhere():
    """The second centroid has no row of its own: it goes to the row farthest from the first."""
    rows = np.array([[0.0], [1.0], [2.0], [30.0]])
    topped = _kmeans._topped_up(view_of(rows), np.array([[1.0]], np.float32), 2, KEY, FEATURES)
    np.testing.assert_array_equal(topped, [[1], [30]])


def test_only_rows_that_may_be_chosen_count():
    pool = make_pool(400)
    kept = np.sort(np.random.default_rng(0).choice(pool.unlabeled, 60, replace=False))
    part = view_of(pool.embeddings[kept])
    inside = fit(pool.view().only(kept), 60, KEY, FEATURES, 5)
    np.testing.assert_array_equal(np.unique(inside, axis=0), np.unique(fit(part, 60, KEY, FEATURES, 5), axis=0))
    assert np.isin(central_rows(pool.view().only(kept), 15, KEY, FEATURES, 5), kept).all()


@settings(max_examples=50)
@given(sizes=draw.lists(draw.integers(0, 6), min_size=1, max_size=8))
def test_groups_take_turns(sizes: list[int]):
    groups = [100 * number + np.arange(size) for number, size in enumerate(sizes)]
    expected = [group[turn] for turn in range(max(sizes)) for group in groups if turn < len(group)]
    np.testing.assert_array_equal(in_turn(groups), expected)


def test_ties_at_a_centroid_are_broken_by_hash_not_by_id():
    rows = Members(np.arange(50), np.zeros(50, np.int32), np.zeros(50))
    assert len({nearest(rows, key)[0] for key in range(40)}) > 15


def test_filling_keeps_what_was_chosen_first():
    view = view_of(np.zeros((20, 1)))
    chosen = filled(view, np.array([7, 3]), 12, KEY)
    np.testing.assert_array_equal(chosen[:2], [7, 3])
    assert len(np.unique(chosen)) == len(chosen) == 12


def test_squared_distances():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(40, 9)), np.zeros((2, 9))]).astype(np.float32)
    points[5] = points[30]
    exact = cdist(points.astype(np.float64), points.astype(np.float64), "sqeuclidean")
    np.testing.assert_allclose(squared_distances(points), exact, atol=1e-4)
    assert squared_distances(points)[5, 30] == 0
    np.testing.assert_allclose(distances(points, points[::-1].copy()), np.diag(exact[:, ::-1]), rtol=1e-5)


def test_normalizing_gives_zeros_a_direction_of_their_own():
    points = on_sphere(np.array([[3, 4], [0, 0], [3e25, -4e25]], np.float32))
    np.testing.assert_allclose(points, [[0.6, 0.8, 0], [0, 0, 1], [0.6, -0.8, 0]], rtol=1e-6)


def test_needs_no_labels():
    pool = make_pool(300)
    fresh = replace(pool, labeled=np.empty(0, np.int64), labels=np.empty(0, np.int64))
    assert type(strategies.create("kmeans")).cold_start
    assert len(select(fresh, 10)) == 10


def test_represents_the_pool_better_than_random_rows_do():
    pool = make_pool(2_000, classes=10, dimensions=16)
    rows = pool.embeddings[pool.unlabeled]
    random = np.random.default_rng(1).choice(pool.unlabeled, 30, replace=False)
    assert inertia(rows, pool.embeddings[select(pool, 30)]) < 0.9 * inertia(rows, pool.embeddings[random])


def select(pool: Pool, budget: int) -> np.ndarray:
    return strategies.create("kmeans").select(pool.view(), budget, np.random.default_rng(0))

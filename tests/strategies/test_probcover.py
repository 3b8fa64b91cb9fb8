"""ProbCover against an explicit ball graph in float64; its radius against the definition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw
from scipy import stats
from scipy.spatial.distance import cdist

from labelbench_ray import strategies
from labelbench_ray.strategies import probcover
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample
from tests.samples import Pool, make_pool


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def unit32(pool: Pool) -> np.ndarray:
    return unit(pool.embeddings).astype(np.float32)


def select(pool: Pool, budget: int, seed: int = 0, **given: object) -> np.ndarray:
    return strategies.create("probcover", **given).select(pool.view(), budget, np.random.default_rng(seed))


@pytest.mark.parametrize("labeled", [0, 12])
@pytest.mark.parametrize(("rows", "radius"), [(60, 0.5), (500, 0.3), (2100, 0.4), (2100, 1e-3)])
def test_each_pick_covers_the_most_uncovered_rows(rows: int, radius: float, labeled: int):
    pool = make_pool(rows, dimensions=5, labeled=labeled)
    balls = cdist(*[unit(pool.embeddings)] * 2) < radius
    covered = balls[pool.labeled].any(axis=0)
    covered[pool.labeled] = True
    chosen = select(pool, min(40, rows // 2), radius=radius)
    for row in chosen:
        gains = (balls & ~covered)[pool.unlabeled].sum(axis=1)
        assert (balls[row] & ~covered).sum() == gains.max()
        covered |= balls[row]


def test_what_is_left_when_all_is_covered_is_uniform():
    pool = make_pool(80, labeled=20)
    picks = np.concatenate([select(pool, 6, seed, radius=2.0) for seed in range(200)])
    assert stats.chisquare(np.bincount(picks, minlength=80)[pool.unlabeled]).pvalue > 1e-3


def test_what_is_left_is_a_keyed_sample_of_the_rest():
    pool = make_pool(80, labeled=0)
    first, *rest = select(pool, 6, radius=2.0)
    key = subkey(int(np.random.default_rng(0).integers(2**64, dtype=np.uint64)), "fill")
    np.testing.assert_array_equal(rest, sample(np.setdiff1d(np.arange(80), first), key, 5))


@settings(max_examples=40, deadline=None)
@given(seed=draw.integers(0, 10**6), clusters=draw.integers(1, 6), purity=draw.floats(0.01, 1))
def test_the_radius_is_the_largest_with_that_purity(seed: int, clusters: int, purity: float):
    pool = make_pool(120, dimensions=3, seed=seed)
    of = np.random.default_rng(seed).integers(0, clusters, 120) if seed % 2 else pool.truth % clusters
    distances = cdist(*[unit(pool.embeddings)] * 2)

    def share_of_pure_balls(radius: float) -> float:
        return float(np.mean([(of[distances[row] < radius] == of[row]).all() for row in range(120)]))

    radius = np.sqrt(2 - 2 * probcover.pure_cosine(unit32(pool), of, purity))
    assert share_of_pure_balls(radius - 2e-3) >= purity - 1e-9
    assert radius == pytest.approx(1) or share_of_pure_balls(radius + 2e-3) < purity


def test_the_radius_from_some_balls_is_near_that_from_all(monkeypatch):
    pool = make_pool(3000, dimensions=5)
    exact = probcover.pure_cosine(unit32(pool), pool.truth, 0.95)
    monkeypatch.setattr(probcover, "BALLS", 1000)
    assert probcover.pure_cosine(unit32(pool), pool.truth, 0.95) == pytest.approx(exact, abs=2e-3)


def test_a_purer_ball_is_smaller():
    pool = make_pool(500)
    cosines = [probcover.pure_cosine(unit32(pool), pool.truth, purity) for purity in (0.3, 0.6, 0.9, 1.0)]
    assert cosines == sorted(cosines)
    assert len(set(cosines)) > 2


@pytest.mark.parametrize("rows", [1, 7, 1024, 1030, 2051])
def test_the_graph_is_the_balls_bit_for_bit(rows: int):
    units = unit32(make_pool(rows, dimensions=8, labeled=0))
    bits = np.unpackbits(probcover.graph(units, 0.6), axis=1, count=rows).view(np.bool_)
    cosines = units.astype(np.float64) @ units.T.astype(np.float64)
    clear = abs(cosines - 0.6) > 1e-5
    np.testing.assert_array_equal(bits[clear], (cosines > 0.6)[clear])
    np.testing.assert_array_equal(bits, bits.T)
    assert bits.diagonal().all()


def test_without_an_edge_to_another_row_every_row_covers_itself():
    edges = probcover.graph(unit32(make_pool(50)), 1.0)
    assert probcover.max_coverage(edges, np.arange(50) % 2 == 1, 50) == list(range(1, 50, 2))


@settings(max_examples=60, deadline=None)
@given(seed=draw.integers(0, 10**6), rows=draw.integers(1, 40), threshold=draw.floats(-1, 1))
def test_greedy_coverage_is_that_of_a_plain_loop(seed: int, rows: int, threshold: float):
    units = unit32(make_pool(rows, dimensions=2, labeled=0, seed=seed))
    edges = probcover.graph(units, threshold)
    balls = np.unpackbits(edges, axis=1, count=rows).view(np.bool_)
    uncovered = np.random.default_rng(seed).random(rows) < 0.7
    expected, left = [], uncovered.copy()
    while left.any():
        expected.append(int((balls & left).sum(axis=1).argmax()))
        left &= ~balls[expected[-1]]
    assert probcover.max_coverage(edges, uncovered, rows) == expected


def test_a_sample_is_as_large_as_the_budget_needs(monkeypatch: pytest.MonkeyPatch):
    pool, graph, sizes = make_pool(1000), probcover.graph, []

    def counted(units: np.ndarray, threshold: float) -> np.ndarray:
        sizes.append(len(units))
        return graph(units, threshold)

    monkeypatch.setattr(probcover, "graph", counted)
    for budget in (5, 100, 980):
        chosen = select(pool, budget, sample=50)
        assert len(np.unique(chosen)) == budget
    assert sizes == [50, 200, 980]
    monkeypatch.setattr(probcover, "LARGEST_GRAPH", 90)
    select(pool, 100, sample=50)
    assert sizes[3:] == [90]


def test_a_sample_covers_nearly_as_much_as_all():
    pool = make_pool(3000, dimensions=4, labeled=0)
    balls = cdist(*[unit(pool.embeddings)] * 2) < 0.5
    exact, sampled = (balls[select(pool, 30, sample=rows, radius=0.5)].any(axis=0).mean() for rows in (3000, 800))
    uniform = balls[pool.unlabeled[:30]].any(axis=0).mean()
    assert sampled > 0.9 * exact
    assert sampled > 1.05 * uniform


def test_only_open_rows_are_chosen():
    pool = make_pool(200)
    half = pool.unlabeled[::2]
    chosen = strategies.create("probcover").select(pool.view().only(half), 60, np.random.default_rng(0))
    assert np.isin(chosen, half).all()


def test_pseudo_labels_find_clusters_and_are_the_same_again():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 600)
    units = unit(5 * rng.normal(size=(3, 8))[truth] + rng.normal(size=(600, 8)) / 10).astype(np.float32)
    labels = probcover.pseudo_labels(units, 3, 1)
    assert len(set(zip(labels, truth, strict=True))) == 3
    np.testing.assert_array_equal(labels, probcover.pseudo_labels(units, 3, 1))


def test_zero_rows_lie_in_one_ball():
    pool = make_pool(100, labeled=0)
    embeddings = np.where(np.arange(100)[:, None] < 60, 0, pool.embeddings).astype(np.float32)
    chosen = select(replace(pool, embeddings=embeddings), 3, radius=0.1)
    assert (chosen < 60).tolist() == [True, False, False]


@pytest.mark.parametrize("given", [{"purity": 0}, {"purity": 1.1}, {"radius": 0}, {"radius": 3}, {"sample": 0}])
def test_a_setting_out_of_range_is_refused_by_name(given: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(given))):
        strategies.create("probcover", **given)

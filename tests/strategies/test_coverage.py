"""Facility location and the herdings against plain greedy in float64; the laws of submodular greedy; the sampling."""

import itertools
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draw
from scipy import stats
from scipy.spatial.distance import cdist, pdist

from labelbench_ray import strategies
from labelbench_ray.strategies import _coverage, _lazy_greedy
from labelbench_ray.strategies._ranking import subkey
from labelbench_ray.strategies._sampling import sample_of_pool
from labelbench_ray.strategies.facility_location import shifted_cosine
from labelbench_ray.strategies.uncertainty_herding import best_temperature, smallest_distance
from labelbench_ray.types import PoolView
from tests.samples import Pool, make_pool, softmax64

NAMES = ["facility_location", "max_herding", "uncertainty_herding"]
every_name = pytest.mark.parametrize("name", NAMES)


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def similarities(name: str, pool: Pool) -> np.ndarray:
    """(N, N) in float64, from the papers' formulas."""
    units = unit(pool.embeddings)
    if name == "facility_location":
        return (1 + units @ units.T) / 2
    sigma = 1.0
    if name == "uncertainty_herding" and len(pool.labeled) > 1:
        distances = pdist(units[pool.labeled])
        sigma = distances[distances > 1e-6].min(initial=np.inf)
        sigma = sigma if np.isfinite(sigma) else 1.0
    return np.exp(-((cdist(units, units) / sigma) ** 2))


def weights(name: str, pool: Pool) -> np.ndarray:
    """(N,) for probabilities as they are."""
    if name != "uncertainty_herding" or not len(pool.labeled):
        return np.ones(len(pool.embeddings))
    ascending = np.sort(pool.probabilities.astype(np.float64), axis=1)
    uncertainties = 1 - (ascending[:, -1] - ascending[:, -2]) / ascending.sum(axis=1)
    uncertainties[pool.labeled] = 0
    return uncertainties


def objective(name: str, pool: Pool, chosen: np.ndarray) -> float:
    centers = np.concatenate([pool.labeled, chosen]).astype(np.int64)
    return float(weights(name, pool) @ similarities(name, pool)[:, centers].max(axis=1, initial=0))


def assert_greedy(name: str, pool: Pool, chosen: np.ndarray) -> None:
    """Each pick has the largest gain of all rows at its turn; mirror images, as pairs far from all else are, tie."""
    similar, weight = similarities(name, pool), weights(name, pool)
    covered = similar[:, pool.labeled].max(axis=1, initial=0)
    for place, row in enumerate(chosen):
        gains = weight @ np.maximum(similar - covered[:, None], 0)
        gains[[*pool.labeled, *chosen[:place]]] = -1
        assert gains[row] >= gains.max() - 1e-9 * len(gains), place
        covered = np.maximum(covered, similar[:, row])


def select(name: str, pool: Pool, budget: int, seed: int = 0, shards: int = 1, **given: object) -> np.ndarray:
    if name == "uncertainty_herding":
        given = {"calibrate": False, **given}
    return strategies.create(name, **given).select(pool.view(shards), budget, np.random.default_rng(seed))


def unlabeled(pool: Pool) -> Pool:
    return replace(pool, labeled=np.empty(0, np.int64), labels=np.empty(0, np.int64))


@every_name
@pytest.mark.parametrize("labeled", [0, 1, 25])
@pytest.mark.parametrize(("rows", "dimensions"), [(80, 3), (700, 6), (2500, 20)])
def test_picks_what_plain_greedy_picks(name: str, rows: int, dimensions: int, labeled: int):
    pool = make_pool(rows, dimensions=dimensions, labeled=labeled)
    budget = min(rows - labeled, 120) // 2
    assert_greedy(name, pool, select(name, pool, budget))


@every_name
def test_small_chunks_pick_the_same(name: str, monkeypatch):
    pool = make_pool(300)
    expected = select(name, pool, 60)
    monkeypatch.setattr(_lazy_greedy, "CHUNK_ROWS", 1)
    monkeypatch.setattr(_coverage, "PASS_ROWS", 7)
    np.testing.assert_array_equal(select(name, pool, 60), expected)


@every_name
@settings(max_examples=30, deadline=None)
@given(data=draw.data())
def test_gains_fall_and_the_greedy_reaches_its_bound(name: str, data: draw.DataObject):
    rows, labeled = data.draw(draw.integers(3, 9)), data.draw(draw.integers(0, 2))
    pool = make_pool(rows, 2, data.draw(draw.integers(1, 3)), labeled, data.draw(draw.integers(0, 10**6)))
    budget = data.draw(draw.integers(1, min(4, rows - labeled)))
    chosen = select(name, pool, budget)
    values = [objective(name, pool, chosen[:count]) for count in range(budget + 1)]
    gains = np.diff(values)
    assert (gains >= -1e-9).all()
    assert (np.diff(gains) <= 1e-9).all()
    best = max(objective(name, pool, np.array(rest)) for rest in itertools.combinations(pool.unlabeled, budget))
    assert values[-1] - values[0] >= (1 - 1 / np.e) * (best - values[0]) - 1e-9


@every_name
def test_a_sample_of_targets_comes_close_to_all(name: str):
    pool = make_pool(3000, classes=10, dimensions=16)
    random = np.random.default_rng(0).choice(pool.unlabeled, 100, replace=False)
    nothing, exact, sampled, uniform = (
        objective(name, pool, chosen)
        for chosen in (np.empty(0), select(name, pool, 100), select(name, pool, 100, targets=500), random)
    )
    assert sampled - nothing > 0.9 * (exact - nothing)
    assert sampled - nothing > 1.15 * (uniform - nothing)


@every_name
def test_more_rows_than_targets_are_still_chosen_by_what_they_cover(name: str):
    pool = make_pool(2000, classes=10, dimensions=16)
    random = np.random.default_rng(0).choice(pool.unlabeled, 300, replace=False)
    chosen = select(name, pool, 300, targets=50)
    assert objective(name, pool, chosen) > objective(name, pool, random)


def goal_of(pool: Pool, view: PoolView, targets: int, key: int, kernel: _coverage.Kernel) -> _coverage.Targets:
    goal = _coverage.targets_of(view, targets, key, kernel, _coverage.one)
    units = unit(pool.embeddings)
    units = np.pad(units, ((0, 0), (0, 1)))
    for row in pool.labeled:
        np.maximum(goal.covered_T, kernel(goal.units_TD @ units[row]), out=goal.covered_T)
    return goal


def test_gains_from_a_sample_are_right_on_average():
    """Whether or not a row is a target: summed over the targets with its own similarity, each would be off by 0.5."""
    pool = make_pool(60, labeled=5)
    similar = similarities("max_herding", pool)
    covered = similar[:, pool.labeled].max(axis=1)
    exact = np.maximum(similar - covered[:, None], 0).sum(axis=0)
    kernel = partial(_coverage.radial, sigma=1.0)
    view, estimates, draws = pool.view(), np.zeros((2, 60)), np.zeros((2, 60))
    for key in range(600):
        goal = goal_of(pool, view, 20, key, kernel)
        bounds, _ = _coverage.bounds_of(view.shards[0], goal)
        own = np.isin(pool.unlabeled, goal.ids_T).astype(int)
        estimates[own, pool.unlabeled] += bounds - covered[pool.unlabeled]
        draws[own, pool.unlabeled] += 1
    for group in range(2):
        mean = estimates[group, pool.unlabeled] / draws[group, pool.unlabeled]
        assert abs(mean - exact[pool.unlabeled]).mean() < 0.1 * exact.mean()
        assert abs((mean - exact[pool.unlabeled]).mean()) < 0.02 * exact.mean()


@settings(max_examples=40, deadline=None)
@given(sigma=draw.sampled_from([1e-4, 0.01, 0.3, 1.0, 10.0]), seed=draw.integers(0, 1000), copies=draw.booleans())
def test_the_float32_bounds_are_bounds(sigma: float, seed: int, copies: bool):
    pool = make_pool(90, dimensions=3, labeled=4, seed=seed)
    if copies:
        pool = replace(pool, embeddings=pool.embeddings[np.arange(90) % 30])
    similar = np.exp(-((cdist(*[unit(pool.embeddings)] * 2) / sigma) ** 2))
    covered = similar[:, pool.labeled].max(axis=1)
    exact = np.maximum(similar - covered[:, None], 0).sum(axis=0)[pool.unlabeled]
    view = pool.view()
    bounds, _ = _coverage.bounds_of(view.shards[0], goal_of(pool, view, 90, 0, partial(_coverage.radial, sigma=sigma)))
    assert (bounds >= exact - 1e-12).all()


def test_kernels_rise_from_zero_to_one():
    cosines = np.linspace(-1, 1, 101)
    for kernel in (shifted_cosine, partial(_coverage.radial, sigma=0.7)):
        values = kernel(cosines.copy())
        assert (np.diff(values) > 0).all()
        assert values[0] >= 0
        assert values[-1] == 1
    assert shifted_cosine(np.array([-1.0]))[0] == 0
    np.testing.assert_allclose(_coverage.radial(np.array([0.5]), 0.7), np.exp(-1 / 0.49))


@every_name
def test_copies_and_zero_rows_are_covered_by_one_of_them(name: str):
    rng = np.random.default_rng(0)
    embeddings = np.repeat(rng.normal(size=(6, 5)).astype(np.float32), 20, axis=0)
    embeddings[:20] = 0
    pool = replace(unlabeled(make_pool(120)), embeddings=embeddings)
    for targets in (120, 60):
        picks = np.array([select(name, pool, 30, seed, targets=targets) for seed in range(60)])
        assert (np.sort(picks[:, :6] // 20, axis=1) == np.arange(6)).all()
    # Which of the copies, and what comes after, is left to chance.
    assert stats.chisquare(np.bincount(picks[:, :6].ravel() % 20, minlength=20)).pvalue > 1e-3
    assert stats.chisquare(np.bincount(picks[:, 6:].ravel() // 20, minlength=6)).pvalue > 1e-3


@every_name
def test_targets_and_ties_do_not_depend_on_shards(name: str):
    pool = make_pool(3 * 4096, dimensions=3)
    pool = replace(pool, embeddings=np.round(pool.embeddings))
    np.testing.assert_array_equal(select(name, pool, 40, targets=300), select(name, pool, 40, targets=300, shards=3))


@every_name
def test_only_open_rows_are_chosen(name: str):
    pool = make_pool(200)
    half = pool.unlabeled[::2]
    view = pool.view().only(half)
    assert np.isin(strategies.create(name).select(view, 40, np.random.default_rng(0)), half).all()


@every_name
@pytest.mark.parametrize("targets", [50, 4096])
def test_a_part_of_a_pool_is_covered_as_if_it_were_all(name: str, targets: int):
    """As the labeled and the open rows alone would be: rows that a wrapper leaves out need no cover."""
    pool = make_pool(600)
    half = pool.unlabeled[pool.embeddings[pool.unlabeled, 0] > 0]
    kept = np.union1d(half, pool.labeled)
    part = PoolView.from_arrays(pool.embeddings[kept], pool.probabilities[kept], pool.labeled, pool.labels, ids=kept)
    strategy = strategies.create(name, targets=targets)
    alone, within = (strategy.select(view, 40, np.random.default_rng(0)) for view in (part, pool.view().only(half)))
    np.testing.assert_array_equal(within, alone)


def test_herding_s_radius_matters():
    pool = make_pool(300)
    assert list(select("max_herding", pool, 30, sigma=0.1)) != list(select("max_herding", pool, 30, sigma=1.0))


def test_without_labels_uncertainty_herding_is_max_herding():
    pool = unlabeled(make_pool(200))
    np.testing.assert_array_equal(select("uncertainty_herding", pool, 30), select("max_herding", pool, 30))


def test_a_tiny_radius_leaves_the_smallest_margins():
    """The limit in the paper; and whether a row is a target does not matter for it."""
    pool = make_pool(400, dimensions=8, labeled=20)
    embeddings = pool.embeddings.copy()
    embeddings[pool.labeled[0]] = embeddings[pool.labeled[1]] + np.float32(1e-3)
    pool = replace(pool, embeddings=embeddings)
    expected = pool.unlabeled[np.argsort(-weights("uncertainty_herding", pool)[pool.unlabeled])][:50]
    np.testing.assert_array_equal(select("uncertainty_herding", pool, 50, targets=100), expected)


def test_certain_rows_are_left_to_chance():
    pool = make_pool(100)
    pool = replace(pool, probabilities=np.eye(4, dtype=np.float32)[pool.truth])
    picks = np.concatenate([select("uncertainty_herding", pool, 8, seed) for seed in range(200)])
    assert stats.chisquare(np.bincount(picks, minlength=100)[pool.unlabeled]).pvalue > 1e-3


def test_the_smallest_distance_is_the_smallest_positive_one():
    rows = make_pool(3000, dimensions=5).embeddings
    assert smallest_distance(rows) == pytest.approx(pdist(unit(rows)).min(), rel=1e-6)
    assert smallest_distance(np.repeat(rows[:40], 3, axis=0)) == pytest.approx(pdist(unit(rows[:40])).min(), rel=1e-6)
    assert smallest_distance(rows[:1]) == 1
    assert smallest_distance(np.repeat(rows[:1], 9, axis=0)) == 1


def peak_of(work: Callable[[], object]) -> int:
    """Bytes allocated at most, beyond what was there."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_memory_of_coverage_does_not_grow_with_the_labels(dtype: type):
    units = np.pad(unit(make_pool(9000, dimensions=3, labeled=0).embeddings), ((0, 0), (0, 1)))
    centers = _lazy_greedy._Centers(8000, 4, partial(_coverage.radial, sigma=0.1))
    for start in range(0, 8000, 1000):
        centers.add(units[start : start + 1000])
    rows = units[8000:].astype(dtype)
    assert peak_of(lambda: centers.covered(rows)) < 2 * 8 * 1000 * _lazy_greedy.CENTER_ROWS
    expected = np.exp(-((cdist(rows, units[:8000]) / 0.1) ** 2)).max(axis=1)
    np.testing.assert_allclose(centers.covered(rows), expected, atol=1e-3 if dtype == np.float32 else 1e-9)


def test_the_memory_of_the_smallest_distance_grows_with_the_labels_only():
    rows = make_pool(6000, dimensions=3, labeled=0).embeddings
    assert peak_of(lambda: smallest_distance(rows)) < 5 * 8 * 1024**2 + 1000 * len(rows) // 10
    assert smallest_distance(rows) == pytest.approx(pdist(unit(rows)).min(), rel=1e-5)


def test_labeled_rows_are_read_a_block_at_a_time():
    pool, read = make_pool(5000, labeled=3000), []

    class Counted(PoolView):
        def embeddings(self, ids_C: np.ndarray) -> np.ndarray:
            read.append(len(ids_C))
            return super().embeddings(ids_C)

    view = Counted.from_arrays(pool.embeddings, pool.probabilities, pool.labeled, pool.labels)
    strategies.create("max_herding", targets=100).select(view, 5, np.random.default_rng(0))
    assert max(read) <= _lazy_greedy.MOST_CHUNK_ROWS < len(pool.labeled) < sum(read)


@pytest.mark.parametrize("temperature", [1.5, 4.0])
def test_the_temperature_of_overconfident_probabilities_is_found(temperature: float):
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(20_000, 5))
    labels = (softmax64(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    overconfident = softmax64(temperature * logits).astype(np.float32)
    assert best_temperature(overconfident, labels) == pytest.approx(temperature, rel=0.05)


def test_probabilities_are_never_sharpened():
    truth = make_pool(200).truth
    rows = np.full((200, 4), 0.2, np.float32)
    rows[np.arange(200), truth] = 0.4
    assert best_temperature(rows, truth) == 1
    assert best_temperature(np.eye(4, dtype=np.float32)[truth], truth) == 1
    assert best_temperature(np.eye(4, dtype=np.float32)[truth], (truth + 1) % 4) > 10


def test_calibration_changes_the_weights_where_the_proxy_is_overconfident():
    pool = make_pool(300, labeled=60)
    overconfident = softmax64(8 * np.log(pool.probabilities.astype(np.float64))).astype(np.float32)
    pool = replace(pool, probabilities=overconfident, labels=np.where(np.arange(60) % 3, pool.labels, 0))
    assert list(select("uncertainty_herding", pool, 30, calibrate=True)) != list(
        select("uncertainty_herding", pool, 30, calibrate=False)
    )


@pytest.mark.parametrize(("name", "setting"), [("max_herding", "sigma"), *((name, "targets") for name in NAMES)])
def test_a_setting_out_of_range_is_refused_by_name(name: str, setting: str):
    with pytest.raises(ValueError, match=setting):
        strategies.create(name, **{setting: 0})


@every_name
def test_being_a_target_is_no_advantage(name: str):
    """About as many of the picks are targets as of the rows."""
    pool = unlabeled(make_pool(1000, dimensions=16))
    shares = []
    for seed in range(10):
        key = int(np.random.default_rng(seed).integers(2**64, dtype=np.uint64))
        targets = sample_of_pool(pool.view(), subkey(key, "targets"), 200)
        shares.append(np.isin(select(name, pool, 100, seed, targets=200), targets).mean())
    assert 0.1 < np.mean(shares) < 0.3

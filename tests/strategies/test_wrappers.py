"""Strategies made of others: what each lets its inner strategy choose among, and how many."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from labelbench_ray import plugins, strategies
from labelbench_ray.plugins import Part
from labelbench_ray.strategies.class_balanced import apportion
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import Pool, make_pool, softmax64, write_module

WRAPPERS = ["class_balanced", "nearest_to_labeled", "partition", "subsample"]
EMPTY = np.empty(0, np.int64)

every_wrapper = pytest.mark.parametrize("name", WRAPPERS)


def choose(name: str, view: PoolView, budget: int, seed: int = 0, **settings: object) -> np.ndarray:
    return strategies.create(name, **settings).select(view, budget, np.random.default_rng(seed))


@every_wrapper
@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("margn", "no strategy called 'margn'; did you mean 'margin'"),
        (
            {"name": "power", "settings": {"coldnes": 2}},
            "no setting of Power called 'coldnes'; did you mean 'coldness'",
        ),
        ({"name": "power", "settings": {"strategy": "nothing"}}, "no strategy called 'nothing'"),
        (3, "strategy"),
    ],
)
def test_an_inner_strategy_that_cannot_be_made_is_refused_by_name(name: str, strategy: object, message: str):
    with pytest.raises(ValueError, match=message):
        strategies.create(name, strategy=strategy)


@every_wrapper
def test_can_choose_the_first_batch_if_its_inner_strategy_can(name: str):
    assert not strategies.create(name).cold_start
    assert strategies.create(name, strategy="random").cold_start
    assert strategies.create(name, strategy=Part.of("partition", strategy="random")).cold_start
    assert not strategies.create(name, strategy=Part.of("partition")).cold_start


ASKING = """
from labelbench_ray.strategies import Strategy

class Asking(Strategy):
    def choose(self, view, budget, key, ask):
        chosen = view.open_ids()[:budget]
        assert len(ask(chosen)) == budget
        return chosen
"""


@every_wrapper
def test_an_inner_strategy_that_asks_is_answered(name: str, tmp_path, monkeypatch):
    path = write_module(tmp_path, f"asking_{name}", ASKING, monkeypatch)
    pool, asked = make_pool(100), []

    def ask(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        return pool.truth[ids]

    strategy = strategies.create(name, strategy=path)
    chosen = strategy.select(pool.view(), 20, np.random.default_rng(0), ask)
    assert sorted(asked) == sorted(chosen.tolist())


@every_wrapper
def test_random_among_random_rows_is_uniform(name: str):
    pool = replace(make_pool(40), labeled=EMPTY, labels=EMPTY, probabilities=np.full((40, 4), 0.25, np.float32))
    picks = [choose(name, pool.view(), 5, seed, strategy="random") for seed in range(300)]
    assert stats.chisquare(np.bincount(np.concatenate(picks), minlength=40)).pvalue > 1e-3


# Quotas by class


@given(data=draw.data())
def test_shares_sum_to_the_budget_within_what_there_is_and_follow_the_weights(data: draw.DataObject):
    classes = data.draw(draw.integers(1, 12))
    available = np.array(data.draw(draw.lists(draw.integers(0, 30), min_size=classes, max_size=classes)))
    weights = 1 / (1 + np.array(data.draw(draw.lists(draw.integers(0, 50), min_size=classes, max_size=classes))))
    budget = data.draw(draw.integers(0, int(available.sum())))
    shares = apportion(budget, weights, available)
    assert shares.sum() == budget
    assert (shares >= 0).all()
    assert (shares <= available).all()
    unfilled = shares < available
    if unfilled.any():
        # Every class that has rows left stands within one row of the same level, and no full one is above it.
        levels = np.array([(shares - 1) / weights, (shares + 1) / weights])
        assert levels[0].max() <= levels[1][unfilled].min() + 1e-6


def test_without_limits_a_share_is_the_fair_one_rounded():
    weights = 1 / (1 + np.array([0, 1, 3, 9, 100]))
    fair = 200 * weights / weights.sum()
    shares = apportion(200, weights, np.full(5, 1000))
    assert (np.abs(shares - fair) < 1).all()


def balanced_pool(counts: list[int], labels: list[int]) -> tuple[PoolView, np.ndarray]:
    """As many rows predicted of each class, the labeled ones first; and the predictions."""
    predicted = np.concatenate([labels, np.repeat(np.arange(len(counts)), counts)]).astype(np.int64)
    logits = 2 * np.eye(len(counts))[predicted] + np.random.default_rng(6).random((len(predicted), len(counts)))
    view = PoolView.from_arrays(
        np.zeros((len(predicted), 1)), softmax64(logits).astype(np.float32), np.arange(len(labels)), labels
    )
    return view, predicted


def test_each_predicted_class_gives_its_quota():
    view, predicted = balanced_pool([100, 100, 100], [0, 0, 0, 1])
    chosen = choose("class_balanced", view, 70)
    np.testing.assert_array_equal(np.bincount(predicted[chosen]), [10, 20, 40])


def test_a_quota_that_a_class_cannot_fill_goes_to_the_others():
    view, predicted = balanced_pool([100, 5, 0, 100], [0])
    chosen = choose("class_balanced", view, 65)
    np.testing.assert_array_equal(np.bincount(predicted[chosen]), [20, 5, 0, 40])


def test_within_a_class_the_inner_strategy_decides():
    view, predicted = balanced_pool([60, 80], [0, 0, 1])
    chosen = choose("class_balanced", view, 20, strategy="margin")
    order = choose("margin", view, view.num_unlabeled)
    for label in (0, 1):
        own = chosen[predicted[chosen] == label]
        np.testing.assert_array_equal(own, order[predicted[order] == label][: len(own)])


def test_a_single_row_comes_from_each_class_of_equal_claim_equally_often():
    view, predicted = balanced_pool([50, 50, 50], [])
    picks = np.concatenate([choose("class_balanced", view, 1, seed) for seed in range(300)])
    assert stats.chisquare(np.bincount(predicted[picks])).pvalue > 1e-3


# Parts and samples


SEEN = """
from typing import ClassVar
from labelbench_ray.strategies import Strategy

class Seen(Strategy):
    seen: ClassVar[list] = []

    def choose(self, view, budget, key, ask):
        assert view.num_unlabeled == len(view.open_ids())
        self.seen.append((view.open_ids(), budget))
        return view.open_ids()[:budget]
"""


def watched(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list]:
    """A strategy by its path, and the list of (rows it may choose, budget) that it fills."""
    path = write_module(folder, name, SEEN, monkeypatch)
    return path, plugins.load(strategies.Strategy, strategies.PACKAGE, path).seen


@pytest.mark.parametrize(("parts", "budget"), [(1, 20), (3, 20), (7, 21), (10, 4), (200, 30)])
def test_parts_are_disjoint_random_and_share_the_budget(parts: int, budget: int, tmp_path, monkeypatch):
    path, seen = watched(tmp_path, "parts", monkeypatch)
    view = make_pool(150).view()
    choose("partition", view, budget, strategy=path, parts=parts)
    sizes = [len(ids) for ids, _ in seen]
    shares = [share for _, share in seen]
    assert sum(shares) == budget
    assert max(shares) - min(shares) <= 1
    assert max(sizes) - min(sizes) <= 1
    assert len(np.unique(np.concatenate([ids for ids, _ in seen]))) == sum(sizes)
    if parts <= budget:
        assert sum(sizes) == view.num_unlabeled


def test_two_rows_share_a_part_as_often_as_chance_has_it(tmp_path, monkeypatch):
    path, seen = watched(tmp_path, "mates", monkeypatch)
    view = make_pool(12, labeled=0).view()
    for seed in range(300):
        choose("partition", view, 3, seed, strategy=path, parts=3)
    mates = np.array([np.isin([0, 1], ids).all() for ids, _ in seen]).reshape(300, 3).any(axis=1).sum()
    assert stats.binomtest(mates, 300, 3 / 11).pvalue > 1e-3


@pytest.mark.parametrize(("rows", "budget", "expected"), [(40, 10, 40), (40, 50, 50), (1000, 10, 130), (1, 1, 1)])
def test_a_sample_has_its_size_and_never_fewer_rows_than_the_budget(rows, budget, expected, tmp_path, monkeypatch):
    path, seen = watched(tmp_path, "sampled", monkeypatch)
    choose("subsample", make_pool(150).view(), budget, strategy=path, rows=rows)
    assert [len(ids) for ids, _ in seen] == [expected]


# Neighbors of the labeled rows


def neighbors64(pool: Pool, neighbors: int) -> np.ndarray:
    """The union of each labeled row's nearest unlabeled rows."""
    found = NearestNeighbors(n_neighbors=neighbors).fit(pool.embeddings[pool.unlabeled].astype(np.float64))
    return np.unique(pool.unlabeled[found.kneighbors(pool.embeddings[pool.labeled], return_distance=False)])


@pytest.mark.parametrize(("rows", "labeled", "neighbors"), [(300, 5, 4), (300, 1, 40), (2 * BLOCK_ROWS + 9, 30, 50)])
def test_the_candidates_are_the_nearest_neighbors(rows: int, labeled: int, neighbors: int):
    pool = make_pool(rows, dimensions=8, labeled=labeled)
    expected = neighbors64(pool, neighbors)
    chosen = choose("nearest_to_labeled", pool.view(2), len(expected), strategy="random", neighbors=neighbors)
    np.testing.assert_array_equal(np.sort(chosen), expected)


def test_more_labeled_rows_than_fit_a_chunk(monkeypatch):
    monkeypatch.setattr("labelbench_ray.strategies.nearest_to_labeled.CHUNK", 7)
    pool = make_pool(500, labeled=30)
    expected = neighbors64(pool, 3)
    chosen = choose("nearest_to_labeled", pool.view(), len(expected), strategy="random", neighbors=3)
    np.testing.assert_array_equal(np.sort(chosen), expected)


@pytest.mark.parametrize("chunk", [4, 1024])
def test_where_neighbors_are_too_few_the_next_nearest_join_them(chunk: int, monkeypatch):
    monkeypatch.setattr("labelbench_ray.strategies.nearest_to_labeled.CHUNK", chunk)
    pool = make_pool(400, labeled=10)
    near = neighbors64(pool, 2)
    rest = np.setdiff1d(pool.unlabeled, near)
    distances = NearestNeighbors(n_neighbors=1).fit(pool.embeddings[pool.labeled]).kneighbors(pool.embeddings[rest])[0]
    joined = rest[np.argsort(distances[:, 0])[: 60 - len(near)]]
    chosen = choose("nearest_to_labeled", pool.view(), 60, neighbors=2)
    np.testing.assert_array_equal(np.sort(chosen), np.sort(np.concatenate([near, joined])))


def test_far_from_zero_neighbors_are_still_right():
    pool = make_pool(300, labeled=6)
    far = replace(pool, embeddings=pool.embeddings + np.float32(1000))
    expected = neighbors64(far, 5)
    chosen = choose("nearest_to_labeled", far.view(), len(expected), strategy="random", neighbors=5)
    assert np.isin(chosen, expected).mean() > 0.95


def test_the_inner_strategy_chooses_among_the_neighbors():
    pool = make_pool(400, labeled=10)
    expected = [row for row in choose("margin", pool.view(), 390) if row in neighbors64(pool, 8)][:20]
    np.testing.assert_array_equal(choose("nearest_to_labeled", pool.view(), 20, neighbors=8), expected)


@pytest.mark.parametrize(("labeled", "neighbors"), [(0, 3), (20, 380)])
def test_without_labels_or_with_neighbors_enough_all_rows_are_candidates(labeled: int, neighbors: int):
    pool = make_pool(400, labeled=labeled)
    chosen = choose("nearest_to_labeled", pool.view(), 30, strategy="margin", neighbors=neighbors)
    np.testing.assert_array_equal(chosen, choose("margin", pool.view(), 30))


def test_copies_of_a_row_are_candidates_together():
    """Which of them a matrix product puts a rounding error nearer does not matter."""
    pool = make_pool(8, dimensions=37, labeled=0)
    embeddings = np.repeat(pool.embeddings, 25, axis=0)
    view = PoolView.from_arrays(embeddings, np.full((200, 2), 0.5, np.float32), [0, 60], [0, 1])
    picks = [choose("nearest_to_labeled", view, 4, seed, strategy="random", neighbors=30) for seed in range(200)]
    counts = np.bincount(np.concatenate(picks), minlength=200)
    groups = counts.reshape(8, 25)
    touched = groups.sum(axis=1) > 0
    assert touched.sum() == 4
    assert (counts[counts.reshape(8, 25).sum(axis=1).repeat(25) > 0] > 0).sum() == 98

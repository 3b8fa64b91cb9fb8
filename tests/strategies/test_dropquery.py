"""DropQuery: its passes against dropout by torch, its candidates by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelbench_ray import strategies
from labelbench_ray.strategies import dropquery
from labelbench_ray.strategies._head import Head
from labelbench_ray.strategies._kmeans import DIRECTIONS, central_rows
from labelbench_ray.strategies.dropquery import DropQuery, changes
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import make_pool

KEY = 11


def head_of(dimensions: int, classes: int, seed: int = 0) -> Head:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(dimensions, classes)), rng.normal(size=classes)
    return Head(weight.astype(np.float32), bias.astype(np.float32))


def linear_view(rows: int, shards: int = 1, labeled: int = 20) -> PoolView:
    pool, head = make_pool(rows, labeled=labeled), head_of(6, 4)
    return PoolView.from_linear(pool.embeddings, head.weight_DK, head.bias_K, pool.labeled, pool.labels, shards)


def set_changes(monkeypatch: pytest.MonkeyPatch, changes_U: np.ndarray) -> None:
    """Every pool's rows change in so many passes."""
    monkeypatch.setattr(dropquery, "changes", lambda shard, **_: changes_U)


@pytest.mark.parametrize("dropout", [0.2, 0.75])
def test_predictions_change_as_often_as_with_the_dropout_of_torch(dropout: float):
    passes, head, view = 4_000, head_of(6, 4), linear_view(30, labeled=0)
    rows = torch.from_numpy(view.embeddings(np.arange(30)))
    layer = torch.nn.functional.dropout
    torch.manual_seed(0)
    weight, bias = torch.from_numpy(head.weight_DK), torch.from_numpy(head.bias_K)
    kept = (rows @ weight + bias).argmax(dim=1)
    dropped = layer(rows.expand(passes, -1, -1), dropout, training=True)
    theirs = ((dropped @ weight + bias).argmax(dim=2) != kept).float().mean(dim=0).numpy()
    mine = changes(view.shards[0], head, KEY, passes, dropout) / passes
    assert theirs.max() > 0.3
    # Two frequencies of 4,000 draws each: 5 standard deviations of their difference.
    np.testing.assert_allclose(mine, theirs, atol=5 * np.sqrt(2 * 0.25 / passes))


def test_what_a_row_changes_from_is_the_proxy_s_prediction():
    """Not that of the recovered layer, which may err where the proxy is no linear one."""
    pool = make_pool(300, labeled=0)
    certain = Head(np.zeros((6, 4), np.float32), np.array([1, 0, 0, 0], np.float32))
    counted = changes(pool.view().shards[0], certain, KEY, 3, 0.75)
    np.testing.assert_array_equal(counted, 3 * (pool.probabilities.argmax(axis=1) != 0))


def test_passes_are_the_same_on_any_number_of_shards_and_differ_between_keys():
    head, rows = head_of(6, 4), 5 * BLOCK_ROWS - 9
    counted = [
        np.concatenate(linear_view(rows, shards).map(lambda shard: changes(shard, head, KEY, 3, 0.75)))
        for shards in (1, 5)
    ]
    np.testing.assert_array_equal(*counted)
    other = np.concatenate(linear_view(rows).map(lambda shard: changes(shard, head, KEY + 1, 3, 0.75)))
    assert (other != counted[0]).mean() > 0.1
    first, second = counted[0][:4_000], counted[0][BLOCK_ROWS : BLOCK_ROWS + 4_000]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("counts", "least"),
    [
        ({3: 100, 2: 160, 1: 50}, 2),  # more than half of three passes: enough
        ({3: 100, 2: 149, 1: 50}, 1),  # one short of 25 a row
        ({3: 0, 2: 0, 1: 3}, 1),  # never those that change in no pass
    ],
)
def test_candidates_change_in_most_passes_or_in_fewer_where_they_are_too_few(
    counts: dict[int, int], least: int, monkeypatch: pytest.MonkeyPatch
):
    view = linear_view(420)
    changes_U = np.repeat([*counts, 0], [*counts.values(), 400 - sum(counts.values())])
    changes_U = np.random.default_rng(0).permutation(changes_U)
    set_changes(monkeypatch, changes_U)
    found = DropQuery()._candidates(view, 10, KEY)
    np.testing.assert_array_equal(np.sort(found), view.open_ids()[changes_U >= least])


def test_of_too_many_candidates_a_random_sample_is_clustered(monkeypatch: pytest.MonkeyPatch):
    view = linear_view(1_020)
    set_changes(monkeypatch, np.full(1_000, 3))
    found = DropQuery()._candidates(view, 10, KEY)
    assert len(np.unique(found)) == len(found) == 500
    assert set(found) != set(DropQuery()._candidates(view, 10, KEY + 1))


def test_chooses_the_central_rows_of_the_candidates():
    view = linear_view(500)
    found = DropQuery()._candidates(view, 8, KEY)
    assert 8 < len(found) < 480
    expected = central_rows(view.only(found), 8, KEY, DIRECTIONS, DropQuery().iterations)
    np.testing.assert_array_equal(DropQuery().choose(view, 8, KEY, None), expected)
    assert np.isin(expected, found).all()


def test_fewer_candidates_than_the_budget_are_all_chosen(monkeypatch: pytest.MonkeyPatch):
    view = linear_view(120)
    set_changes(monkeypatch, (np.arange(100) < 7).astype(int) * 3)
    chosen = DropQuery().choose(view, 30, KEY, None)
    assert set(view.open_ids()[:7]) <= set(chosen)
    assert len(np.unique(chosen)) == 30


def test_the_first_batch_is_that_of_clusters_of_all_rows():
    pool = make_pool(300)
    fresh = replace(pool, labeled=np.empty(0, np.int64), labels=np.empty(0, np.int64)).view()
    expected = central_rows(fresh, 12, KEY, DIRECTIONS, DropQuery().iterations)
    np.testing.assert_array_equal(DropQuery().choose(fresh, 12, KEY, None), expected)


@pytest.mark.parametrize("wrong", [{"dropout": 0.0}, {"dropout": 1.0}, {"passes": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        strategies.create("dropquery", **wrong)

"""Pool views refuse what is no pool, by the argument's name; shards are cut by one law."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw

from labelbench_ray.pool.blocks import BLOCK_ROWS, cuts
from labelbench_ray.types import PoolView
from tests.samples import make_pool

ROWS = 12
GOOD = {
    "embeddings": np.ones((ROWS, 3), np.float32),
    "probabilities": np.full((ROWS, 2), 0.5, np.float32),
    "labeled": np.array([1, 4]),
    "labels": np.array([0, 1]),
}


def holding(name: str, row: int, value: float) -> np.ndarray:
    array = GOOD[name].copy()
    array[row, 0] = value
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": holding("embeddings", 5, np.nan)}, "embeddings: row 5 "),
        ({"embeddings": holding("embeddings", 5, -np.inf)}, "embeddings: row 5 "),
        ({"embeddings": np.ones(ROWS, np.float32)}, "embeddings: shape"),
        ({"embeddings": np.ones((ROWS, 3), np.int64)}, "embeddings: dtype int64"),
        ({"embeddings": np.ones((ROWS + 1, 3), np.float32)}, "probabilities: shape"),
        ({"probabilities": holding("probabilities", 7, np.nan)}, "probabilities: row 7 "),
        ({"probabilities": holding("probabilities", 7, np.inf)}, "probabilities: row 7 "),
        ({"probabilities": holding("probabilities", 7, -0.1)}, "probabilities: row 7 .*negative"),
        ({"probabilities": holding("probabilities", 7, 0.502)}, "probabilities: row 7 sums to 1.002"),
        ({"probabilities": np.full((ROWS, 2), 0.4, np.float32)}, "probabilities: row 0 sums to 0.8"),
        ({"probabilities": np.ones((ROWS, 1), np.float32)}, "probabilities: 1 columns"),
        ({"probabilities": np.ones(ROWS, np.float32)}, "probabilities: shape"),
        ({"probabilities": np.ones((ROWS, 2), np.int64)}, "probabilities: dtype int64"),
        ({"labeled": np.array([1, ROWS])}, f"labeled: id {ROWS} is out of range"),
        ({"labeled": np.array([-1, 4])}, "labeled: id -1 is out of range"),
        ({"labeled": np.array([4, 4])}, "labeled: id 4 is repeated"),
        ({"labeled": np.array([1.0, 4.0])}, "labeled: dtype float64"),
        ({"labeled": np.array([[1, 4]])}, "labeled: shape"),
        ({"labeled": np.array([1])}, "labeled, labels: shapes"),
        ({"labels": np.array([0, 2])}, r"labels: 2 of row 4 must lie in 0 \.\. 1"),
        ({"labels": np.array([-1, 1])}, "labels: -1"),
        ({"labels": np.array([True, False])}, "labels: dtype bool"),
        ({"shards": 0}, "shards: 0"),
        ({"ids": np.arange(ROWS - 1)}, "ids: shape"),
        ({"ids": np.zeros(ROWS, np.int64)}, "ids: an id is repeated"),
        ({"ids": np.arange(ROWS) - 1}, "ids: -1 is out of range"),
        ({"ids": np.arange(ROWS) / 2}, "ids: dtype float64"),
    ],
)
def test_what_is_no_pool_is_refused_by_the_name_of_the_argument(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        PoolView.from_arrays(**GOOD | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_DK": np.ones((4, 2))}, "weight_DK, bias_K: shapes"),
        ({"bias_K": np.ones(3)}, "weight_DK, bias_K: shapes"),
        ({"bias_K": np.array([0, np.nan])}, "weight_DK, bias_K: hold NaN"),
        ({"embeddings": holding("embeddings", 5, np.nan)}, "embeddings: row 5 "),
        ({"labels": np.array([0, 2])}, "labels: "),
    ],
)
def test_what_is_no_linear_proxy_is_refused_by_the_name_of_the_argument(change: dict, message: str):
    good = {name: GOOD[name] for name in ("embeddings", "labeled", "labels")}
    good |= {"weight_DK": np.ones((3, 2), np.float32), "bias_K": np.zeros(2, np.float32)}
    with pytest.raises(ValueError, match=message):
        PoolView.from_linear(**good | change)


def test_a_bad_row_of_a_later_block_is_named_by_its_place_in_the_pool():
    pool = make_pool(BLOCK_ROWS + 10)
    pool.probabilities[BLOCK_ROWS + 3] *= 1.1
    with pytest.raises(ValueError, match=f"row {BLOCK_ROWS + 3} sums"):
        pool.view()


def test_rows_that_nearly_sum_to_one_are_renormalized():
    view = PoolView.from_arrays(**GOOD | {"probabilities": np.full((ROWS, 2), 0.5004, np.float32)})
    (block,) = view.shards[0].blocks()
    np.testing.assert_allclose(block.probabilities_BK.sum(axis=1), 1, atol=1e-7)


def read(view: PoolView, of: Callable[..., np.ndarray]) -> np.ndarray:
    return np.concatenate([of(block) for shard in view.shards for block in shard.blocks()])


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_blocks_hold_the_pool_in_the_order_of_its_ids(shards: int):
    pool = make_pool(2 * BLOCK_ROWS + 50)
    order = np.random.default_rng(0).permutation(len(pool.truth))
    view = PoolView.from_arrays(
        pool.embeddings[order], pool.probabilities[order], pool.labeled, pool.labels, shards, order
    )
    np.testing.assert_array_equal(read(view, lambda block: block.ids_B), np.arange(len(order)))
    np.testing.assert_array_equal(read(view, lambda block: block.embeddings_BD), pool.embeddings)
    np.testing.assert_allclose(read(view, lambda block: block.probabilities_BK), pool.probabilities, atol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(read(view, lambda block: block.labeled_B)), np.sort(pool.labeled))


def test_what_was_paid_for_keeps_its_order():
    view = PoolView.from_arrays(**GOOD | {"labeled": [9, 2, 5], "labels": [1, 0, 1]})
    assert view.labeled_L.tolist() == [9, 2, 5]
    assert view.labels_L.tolist() == [1, 0, 1]
    assert (view.num_rows, view.num_unlabeled, view.num_classes) == (ROWS, ROWS - 3, 2)


def test_nothing_labeled_is_a_pool():
    view = PoolView.from_arrays(**GOOD | {"labeled": [], "labels": []})
    assert view.num_unlabeled == ROWS


@given(rows=draw.integers(0, 40 * BLOCK_ROWS), shards=draw.integers(1, 50))
def test_cuts_cover_the_rows_once_at_multiples_of_a_block(rows: int, shards: int):
    slices = cuts(rows, shards)
    blocks = -(-rows // BLOCK_ROWS)
    assert [0, *(cut.stop for cut in slices)] == [*(cut.start for cut in slices), rows]
    assert all(cut.start % BLOCK_ROWS == 0 for cut in slices)
    assert len(slices) == max(1, min(shards, blocks))
    sizes = [-(-(cut.stop - cut.start) // BLOCK_ROWS) for cut in slices]
    assert max(sizes) - min(sizes) <= 1

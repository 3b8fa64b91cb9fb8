"""BALD against its formula in float64, over the masks that it draws."""

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.strategies._head import last_layer
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import softmax64

KEY = 99


def entropy64(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=-1)


def linear(rows: int = 300, dimensions: int = 12, classes: int = 5, scale: float = 0.7):
    rng = np.random.default_rng(4)
    embeddings = rng.normal(size=(rows, dimensions)).astype(np.float32)
    weight = (scale * rng.normal(size=(dimensions, classes))).astype(np.float32)
    return embeddings, weight, rng.normal(size=classes).astype(np.float32)


def scores_of(view: PoolView, **settings: object) -> np.ndarray:
    score = strategies.create("bald", **settings).scorer(view, KEY)
    return np.concatenate([score(block) for shard in view.shards for block in shard.candidates()])


def masks_of(view: PoolView, **settings: object) -> np.ndarray:
    return np.array(strategies.create("bald", **settings).scorer(view, KEY).keywords["masks"])


@pytest.mark.parametrize(("passes", "dropout"), [(1, 0.5), (10, 0.5), (4, 0.75)])
def test_is_the_mutual_information_over_its_masks(passes: int, dropout: float):
    embeddings, weight, bias = linear()
    view = PoolView.from_linear(embeddings, weight, bias, [], [])
    masks = masks_of(view, passes=passes, dropout=dropout).astype(np.float64)
    each = np.array([softmax64((embeddings * mask) @ weight.astype(np.float64) + bias) for mask in masks])
    expected = entropy64(each.mean(axis=0)) - entropy64(each).mean(axis=0)
    np.testing.assert_allclose(scores_of(view, passes=passes, dropout=dropout), expected, atol=3e-6)


def test_a_mask_keeps_its_share_and_scales_it_up():
    embeddings, weight, bias = linear(dimensions=2000, classes=2, scale=0.01)
    masks = masks_of(PoolView.from_linear(embeddings, weight, bias, [], []), passes=5, dropout=0.75)
    assert set(np.unique(masks)) == {0.0, 4.0}
    np.testing.assert_allclose((masks == 0).mean(axis=1), 0.75, atol=0.04)
    assert len(np.unique(masks, axis=0)) == 5


def test_more_passes_begin_with_the_same_masks():
    embeddings, weight, bias = linear()
    view = PoolView.from_linear(embeddings, weight, bias, [], [])
    np.testing.assert_array_equal(masks_of(view, passes=3), masks_of(view, passes=8)[:3])


def test_one_pass_measures_nothing_and_all_rows_tie():
    embeddings, weight, bias = linear()
    assert (scores_of(PoolView.from_linear(embeddings, weight, bias, [], []), passes=1) == 0).all()


@pytest.mark.parametrize("scale", [1e-4, 50.0], ids=["flat", "certain"])
def test_information_lies_between_nothing_and_the_logarithm_of_the_classes(scale: float):
    embeddings, weight, bias = linear(scale=scale)
    scores = scores_of(PoolView.from_linear(embeddings, weight, bias, [], []))
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (scores <= np.log(5)).all()


def test_features_that_the_layer_does_not_use_do_not_matter():
    embeddings, weight, bias = linear()
    weight[3:] = 0
    view = PoolView.from_linear(embeddings, weight, bias, [], [])
    other = embeddings.copy()
    other[:, 3:] = other[::-1, 3:]
    swapped = PoolView.from_linear(other, weight, bias, [], [])
    np.testing.assert_allclose(scores_of(view), scores_of(swapped), atol=1e-5)


def test_given_probabilities_of_a_linear_layer_are_as_good_as_the_layer():
    embeddings, weight, bias = linear()
    explicit = softmax64(embeddings.astype(np.float64) @ weight + bias).astype(np.float32)
    given = PoolView.from_arrays(embeddings, explicit, [], [])
    proxy = PoolView.from_linear(embeddings, weight, bias, [], [])
    np.testing.assert_allclose(scores_of(given), scores_of(proxy), atol=1e-5)


def test_its_choice_among_some_rows_is_its_order_of_all():
    """The layer and the masks are the pool's, whatever rows may be chosen."""
    embeddings, weight, bias = linear(rows=BLOCK_ROWS + 500)
    view = PoolView.from_linear(embeddings, weight, bias, [3, 9], [0, 1])
    some = np.arange(100, BLOCK_ROWS + 500, 7)
    whole = strategies.create("bald").select(view, view.num_unlabeled, np.random.default_rng(0))
    part = strategies.create("bald").select(view.only(some), 40, np.random.default_rng(0))
    np.testing.assert_array_equal(part, whole[np.isin(whole, some)][:40])


@pytest.mark.parametrize(("setting", "value"), [("passes", 0), ("dropout", 0.0), ("dropout", 1.0)])
def test_a_setting_out_of_range_is_refused(setting: str, value: float):
    with pytest.raises(ValueError, match=f"{setting}.*{value}"):
        strategies.create("bald", **{setting: value})


def test_the_layer_is_the_one_of_the_same_key():
    embeddings, weight, bias = linear()
    view = PoolView.from_linear(embeddings, weight, bias, [], [])
    head = strategies.create("bald").scorer(view, KEY).keywords["head"]
    np.testing.assert_array_equal(head.weight_DK, last_layer(view, KEY).weight_DK)

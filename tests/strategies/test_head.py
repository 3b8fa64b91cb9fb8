"""The last layer that is read back from probabilities is the proxy's own, up to what all classes share."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.strategies._head import last_layer
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.samples import make_pool, softmax64

KEY = 12345


def centered(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=-1, keepdims=True)


def linear(rows: int = 3000, dimensions: int = 20, classes: int = 7, scale: float = 0.5, seed: int = 0):
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(rows, dimensions)).astype(np.float32)
    weight = (scale * rng.normal(size=(dimensions, classes))).astype(np.float32)
    return embeddings, weight, rng.normal(size=classes).astype(np.float32)


@pytest.mark.parametrize(("dimensions", "classes"), [(1, 2), (20, 7), (40, 100)])
def test_a_linear_proxy_is_recovered_up_to_rounding(dimensions: int, classes: int):
    embeddings, weight, bias = linear(dimensions=dimensions, classes=classes)
    head = last_layer(PoolView.from_linear(embeddings, weight, bias, [], []), KEY)
    np.testing.assert_allclose(head.weight_DK, centered(weight), atol=2e-6)
    np.testing.assert_allclose(head.bias_K, centered(bias), atol=2e-6)
    np.testing.assert_allclose(head.logits(embeddings), centered(embeddings @ weight + bias), atol=2e-5)


def test_a_confident_proxy_is_recovered_too():
    embeddings, weight, bias = linear(scale=3.0)
    assert softmax64(embeddings @ weight + bias).min() < 1e-15
    head = last_layer(PoolView.from_linear(embeddings, weight, bias, [], []), KEY)
    np.testing.assert_allclose(head.weight_DK, centered(weight), atol=1e-5)


@pytest.mark.parametrize("scale", [6.0, 8.0, 10.0])
def test_a_proxy_whose_probabilities_read_0_is_recovered_from_the_others(scale: float):
    embeddings, weight, bias = linear(scale=scale)
    view = PoolView.from_linear(embeddings, weight, bias, [], [])
    smallest = view.probabilities(np.arange(3000)).min(axis=1)
    assert 0.1 < (smallest < np.finfo(np.float32).tiny).mean() < 0.95
    head = last_layer(view, KEY)
    np.testing.assert_allclose(head.weight_DK, centered(weight), atol=1e-3)
    np.testing.assert_array_equal(head.logits(embeddings).argmax(axis=1), (embeddings @ weight + bias).argmax(axis=1))


@pytest.mark.parametrize(("whole", "recovered"), [(22, True), (21, False)])
def test_rows_that_read_0_are_left_out_unless_the_others_are_too_few(whole: int, recovered: bool):
    embeddings, weight, bias = linear(rows=1000)
    probabilities = softmax64(embeddings @ weight + bias).astype(np.float32)
    probabilities[whole:, 0] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    head = last_layer(PoolView.from_arrays(embeddings, probabilities, [], []), KEY)
    assert np.allclose(head.weight_DK, centered(weight), atol=1e-3) == recovered
    assert (head.bias_K[0] < -60) != recovered


def test_a_shallow_proxy_s_last_layer_is_recovered():
    rng = np.random.default_rng(1)
    raw = rng.normal(3, 2, size=(3000, 8)).astype(np.float16)
    layers = tuple(
        (rng.normal(size=shape).astype(np.float32) / 2, rng.normal(size=shape[1]).astype(np.float32))
        for shape in ((8, 12), (12, 4))
    )
    view = PoolView.from_model(raw, Classifier(standardize(raw), layers), [], [])
    head = last_layer(view, KEY)
    np.testing.assert_allclose(head.weight_DK, centered(layers[1][0]), atol=1e-5)
    np.testing.assert_allclose(head.bias_K, centered(layers[1][1]), atol=1e-5)


def test_of_given_probabilities_it_is_the_best_linear_layer():
    pool = make_pool(400, classes=3, dimensions=5)
    probabilities = np.random.default_rng(3).dirichlet(np.ones(3), 400).astype(np.float32)
    view = PoolView.from_arrays(pool.embeddings, probabilities, [], [])
    fitted = LinearRegression().fit(pool.embeddings.astype(np.float64), centered(np.log(probabilities)))
    head = last_layer(view, KEY)
    np.testing.assert_allclose(head.weight_DK, fitted.coef_.T, atol=1e-5)
    np.testing.assert_allclose(head.bias_K, fitted.intercept_, atol=1e-5)


def test_only_a_sample_of_a_large_pool_is_read():
    embeddings, weight, bias = linear(rows=30 * BLOCK_ROWS // 4, dimensions=300, classes=3, scale=0.1)
    read = []

    class Counted(PoolView):
        def embeddings(self, ids_C: np.ndarray) -> np.ndarray:
            read.append(ids_C)
            return super().embeddings(ids_C)

    last_layer(Counted.from_linear(embeddings, weight, bias, [], []), KEY)
    assert max(map(len, read)) == 1200


@pytest.mark.parametrize("shards", [2, 7])
def test_the_number_of_shards_does_not_matter(shards: int):
    embeddings, weight, bias = linear(rows=7 * BLOCK_ROWS - 3, dimensions=4)
    one, many = (last_layer(PoolView.from_linear(embeddings, weight, bias, [], [], n), KEY) for n in (1, shards))
    np.testing.assert_array_equal(one.weight_DK, many.weight_DK)
    np.testing.assert_array_equal(one.bias_K, many.bias_K)


def test_a_view_of_few_rows_has_the_whole_pool_s_layer():
    embeddings, weight, bias = linear()
    view = PoolView.from_linear(embeddings, weight, bias, [5], [0])
    whole, part = last_layer(view, KEY), last_layer(view.only(np.array([3, 8])), KEY)
    np.testing.assert_array_equal(whole.weight_DK, part.weight_DK)


@pytest.mark.parametrize("value", [0.0, 2.5, 1 / 3, 1e3 / 7])
def test_rows_that_are_all_the_same_leave_all_to_the_bias(value: float):
    given = np.array([0.7, 0.2, 0.1], np.float32)
    view = PoolView.from_arrays(np.full((29, 4), value, np.float32), np.tile(given, (29, 1)), [], [])
    head = last_layer(view, KEY)
    assert (head.weight_DK == 0).all()
    np.testing.assert_allclose(head.bias_K, centered(np.log(given)), atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 10])
def test_fewer_rows_than_dimensions_give_a_layer_that_fits_them(rows: int):
    embeddings, weight, bias = linear(rows=rows)
    head = last_layer(PoolView.from_linear(embeddings, weight, bias, [], []), KEY)
    np.testing.assert_allclose(head.logits(embeddings), centered(embeddings @ weight + bias), atol=2e-5)


def test_certain_rows_give_a_finite_layer():
    pool = make_pool(200)
    view = PoolView.from_arrays(pool.embeddings, np.eye(4, dtype=np.float32)[pool.truth], [], [])
    head = last_layer(view, KEY)
    assert np.isfinite(head.weight_DK).all()
    assert np.abs(head.weight_DK).max() > 0


def test_a_repeated_dimension_shares_its_weight():
    embeddings, weight, bias = linear(dimensions=3)
    twice, split = np.hstack([embeddings, embeddings[:, :1]]), np.vstack([weight, weight[:1]])
    split[[0, 3]] /= 2
    head = last_layer(PoolView.from_linear(twice, split, bias, [], []), KEY)
    np.testing.assert_allclose(head.weight_DK, centered(split), atol=1e-5)

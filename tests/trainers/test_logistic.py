"""Logistic regression solves the problem that it states, checked by a gradient written out in float64."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from labelbench_ray.errors import ConfigError
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.full_model import FullModel
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.proxies.shallow import Shallow
from labelbench_ray.trainers.engine.data import embedded_data
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.types import Examples

DIMENSIONS = 6
IDENTITY = Standardization(np.zeros(DIMENSIONS, np.float32), np.ones(DIMENSIONS, np.float32))


def examples(rows: int, classes: list[int], seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels = np.array(classes)[np.arange(rows) % len(classes)]
    centers = np.random.default_rng(1).normal(size=(20, DIMENSIONS))
    return Examples((centers[labels] + rng.normal(size=(rows, DIMENSIONS))).astype(np.float32), labels)


def fit(rows: Examples, num_classes: int, seed: int = 0, **settings: float) -> Classifier:
    return fit_beside(examples(5, [0]), rows, num_classes, seed, **settings)


def fit_beside(validation: Examples, rows: Examples, num_classes: int, seed: int, **settings: float) -> Classifier:
    ids = np.arange(len(rows.labels_B))
    data = embedded_data(rows.embeddings_BD, rows.labels_B, validation, num_classes, IDENTITY, ids)
    return Logistic(**settings).fit(Linear(), data, seed)


def gradient(classifier: Classifier, rows: Examples, l2: float) -> tuple[np.ndarray, np.ndarray]:
    """Of mean cross-entropy + l2 / 2 * ||weights||^2, with respect to weights (D, K) and bias (K,)."""
    weight, bias = (array.astype(np.float64) for array in classifier.layers[0])
    inputs = rows.embeddings_BD.astype(np.float64)
    residual = special.softmax(inputs @ weight + bias, axis=1) - np.eye(len(bias))[rows.labels_B]
    return inputs.T @ residual / len(inputs) + l2 * weight, residual.mean(axis=0)


@pytest.mark.parametrize("l2", [1e-3, 1e-1])
@pytest.mark.parametrize(
    ("present", "num_classes"),
    [
        ([0, 1], 2),
        ([0, 1, 2], 3),
        (list(range(7)), 7),
        ([0, 2, 5], 7),
        ([1, 4], 7),
    ],
    ids=["two classes", "three", "seven", "three of seven", "two of seven"],
)
def test_the_gradient_of_the_stated_objective_is_zero(present: list[int], num_classes: int, l2: float):
    rows = examples(150, present)
    by_weight, by_bias = gradient(fit(rows, num_classes, l2=l2), rows, l2)
    np.testing.assert_allclose(by_weight, 0, atol=2e-4)
    np.testing.assert_allclose(by_bias, 0, atol=2e-4)


@pytest.mark.parametrize("present", [[3], [1, 3], [0, 1, 3]])
def test_classes_without_labels_get_no_probability(present: list[int]):
    found = fit(examples(60, present), 6).probabilities(examples(200, list(range(6)), seed=2).embeddings_BD)
    assert found[:, np.setdiff1d(np.arange(6), present)].max() < 1e-30
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_a_single_class_is_certain():
    found = fit(examples(10, [2]), 4).probabilities(examples(20, [0, 1, 2, 3]).embeddings_BD)
    np.testing.assert_allclose(found, np.eye(4)[[2] * 20], atol=1e-30)


def test_a_single_row_a_class_trains():
    rows = examples(4, [0, 1, 2, 3])
    assert (fit(rows, 4).logits(rows.embeddings_BD).argmax(axis=1) == rows.labels_B).all()


def test_the_seed_and_the_validation_rows_do_not_matter():
    rows = examples(60, [0, 1, 2])
    one = fit(rows, 3, seed=1)
    other = fit_beside(examples(50, [2], seed=9), rows, 3, seed=2)
    for mine, yours in zip(one.layers[0], other.layers[0], strict=True):
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize(("proxy", "name"), [(Shallow(), "shallow"), (FullModel(), "full_model")])
def test_a_proxy_that_is_not_linear_is_refused_by_its_name(proxy, name):
    with pytest.raises(
        ConfigError, match=f"logistic fits the proxy 'linear' only, not '{name}'; use the trainer 'supervised'"
    ):
        Logistic().check(proxy)


def test_a_fit_and_its_probabilities_do_without_torch():
    """Importing it takes a worker longer than a short trial."""
    loop = Path(__file__).parents[2] / "examples" / "loop.py"
    code = f"import runpy, sys; runpy.run_path({str(loop)!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0

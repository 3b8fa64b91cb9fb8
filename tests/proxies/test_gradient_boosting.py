"""Boosted trees as plain arrays: scikit-learn's own predictions, any labels, saved and read, and who may use them."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from labelbench_ray.config import Trial, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Part
from labelbench_ray.pool.distributions import CATEGORICAL
from labelbench_ray.pool.facts import Facts
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies.gradient_boosting import GradientBoosting, TreeClassifier
from labelbench_ray.trial.parts import build
from tests.full_trials import make_home, make_store
from tests.tables import write_people

DIMENSIONS = 6
STANDARDIZATION = Standardization(np.full(DIMENSIONS, 0.5, np.float32), np.full(DIMENSIONS, 2, np.float32))


class Inputs:
    """Rows in memory."""

    dimensions = DIMENSIONS

    def __init__(self, rows: np.ndarray, classes: int) -> None:
        self.rows, self.num_classes = rows, classes

    def standardized(self, ids: np.ndarray) -> np.ndarray:
        return STANDARDIZATION.apply(self.rows[ids])


def rows_of(classes: int, count: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, DIMENSIONS)).astype(np.float16)
    return rows, ((rows[:, 0] > 0) * 2 + (rows[:, 1] * rows[:, 2] > 0)).astype(np.int64) % classes


def fit(rows: np.ndarray, labels: np.ndarray, classes: int, **settings: float) -> TreeClassifier:
    every = np.arange(len(rows))
    proxy = GradientBoosting(**settings)
    fitted, passes = proxy.fit(
        Inputs(rows, classes), STANDARDIZATION, every, labels, Facts(), CATEGORICAL, lambda function, items: []
    )
    assert passes == proxy.iterations
    assert isinstance(fitted, TreeClassifier)
    return fitted


@pytest.mark.parametrize("classes", [2, 4])
def test_it_predicts_what_scikit_learn_does(classes: int):
    rows, labels = rows_of(classes)
    fresh = np.concatenate([rows, rows_of(classes, 500, 1)[0]])
    theirs = HistGradientBoostingClassifier(
        max_iter=40, learning_rate=0.2, max_leaf_nodes=9, min_samples_leaf=3, l2_regularization=1.0, random_state=0,
        early_stopping=False,
    ).fit(STANDARDIZATION.apply(rows), labels)  # fmt: skip
    ours = fit(rows, labels, classes, iterations=40, learning_rate=0.2, leaves=9)
    np.testing.assert_allclose(ours.probabilities(fresh), theirs.predict_proba(STANDARDIZATION.apply(fresh)), atol=2e-6)
    assert ours.num_classes == classes
    np.testing.assert_array_equal(ours.features(fresh), STANDARDIZATION.apply(fresh))


def test_a_class_without_labels_gets_no_probability():
    rows, labels = rows_of(2)
    probabilities = fit(rows, labels * 3, 5).probabilities(rows)
    assert probabilities.shape == (150, 5)
    assert probabilities[:, [1, 2, 4]].max() < 1e-30
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (probabilities.argmax(axis=1) == labels * 3).mean() > 0.95


def test_labels_of_one_class_give_that_class():
    rows, _ = rows_of(2)
    probabilities = fit(rows, np.full(150, 2), 3).probabilities(rows)
    np.testing.assert_allclose(probabilities[:, 2], 1)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_what_is_saved_is_read(classes: int):
    rows, labels = rows_of(classes)
    fitted = fit(rows, labels, 5)
    again = TreeClassifier.of_tensors(fitted.tensors())
    np.testing.assert_array_equal(again.logits(rows), fitted.logits(rows))
    assert again.on("cuda") is again


def test_the_same_labels_give_the_same_trees():
    rows, labels = rows_of(4)
    one, other = (fit(rows, labels, 4).tensors() for _ in range(2))
    for name, tensor in one.items():
        np.testing.assert_array_equal(tensor, other[name])


BASE = Trial(
    dataset=Part.of("tabular", path="people"), encoder="columns", strategy="margin", proxy="gradient_boosting",
    trainer="none", seed=0, rounds=3, budget=30,
)  # fmt: skip


def test_trees_learn_what_a_linear_probe_cannot(tmp_path: Path):
    """Who pays is an exclusive or of age and job."""
    write_people(tmp_path / "people", rows=600)
    home = make_home(tmp_path, tmp_path / "store")
    complete(home, BASE)
    trees = home.run(BASE)[-1].metrics["Test Accuracy"]
    linear = home.run(vary(BASE, proxy="linear", trainer="logistic"))[-1].metrics["Test Accuracy"]
    assert trees > linear + 0.05


def complete(home, trial: Trial) -> None:
    from labelbench_ray.embeddings.complete import complete_store
    from labelbench_ray.embeddings.local import LocalEmbedder

    complete_store(build(trial).store_recipe, None, home.environment, LocalEmbedder(), lambda rows, total: None)
    assert make_store


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strategy": "badge"}, "strategy badge: reads embeddings as a proxy's last layer sees them, and the proxy "
                                "gradient_boosting has none; use the proxy 'linear', or one of: class_balanced, "),
        ({"strategy": "coreset"}, "strategy coreset: reads embeddings"),
        ({"strategy": Part.of("partition", strategy="badge")}, r"strategy partition\(strategy=badge\): 'badge' reads"),
        ({"first_batch": "typiclust"}, "first_batch typiclust: reads embeddings"),
        ({"trainer": "logistic"}, "the proxy 'gradient_boosting' has a fit of its own; use the trainer 'none'"),
        ({"encoder": "pixels"}, "encoder pixels embeds images, the data set .* holds table rows"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(changed: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        build(vary(BASE, **changed))


@pytest.mark.parametrize("strategy", ["random", "margin", "entropy", "confidence", "galaxy", "power_margin"])
def test_strategies_of_probabilities_are_served(strategy: str):
    build(vary(BASE, strategy=strategy))

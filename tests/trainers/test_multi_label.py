"""Trainers of several labels a row: logistic regressions against scikit-learn, sigmoid training, unknown entries."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from labelbench_ray import plugins, tasks, trainers
from labelbench_ray.pool.distributions import BERNOULLI
from labelbench_ray.pool.standardization import Standardization
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.proxies.shallow import Shallow
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer
from labelbench_ray.trainers.engine.data import embedded_data
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.types import Examples

TASK = tasks.create("multi_label")
CLASSES, DIMENSIONS = 4, 6
IDENTITY = Standardization(np.zeros(DIMENSIONS, np.float32), np.ones(DIMENSIONS, np.float32))


def rows(count: int, seed: int = 0) -> Examples:
    """Each class is there on one side of a plane, with some noise."""
    rng = np.random.default_rng(seed)
    planes = np.random.default_rng(1).normal(size=(DIMENSIONS, CLASSES))
    inputs = rng.normal(size=(count, DIMENSIONS)).astype(np.float32)
    return Examples(inputs, (inputs @ planes + rng.normal(size=(count, CLASSES)) > 0.5).astype(np.int8))


def data(labeled: Examples, validation: Examples | None = None) -> FitData[EmbeddedInputs]:
    ids = np.arange(len(labeled.labels_B))
    held_out = rows(60, seed=9) if validation is None else validation
    return embedded_data(labeled.embeddings_BD, labeled.labels_B, held_out, CLASSES, IDENTITY, ids, task=TASK)


def with_labels(examples: Examples, place: object, value: int) -> Examples:
    labels = examples.labels_B.copy()
    labels[place] = value
    return Examples(examples.embeddings_BD, labels)


def same(one: Classifier, other: Classifier) -> bool:
    return all(np.array_equal(one.tensors()[name], tensor) for name, tensor in other.tensors().items())


def test_each_class_has_scikit_learn_s_regression_on_its_known_rows():
    examples = with_labels(rows(120), np.s_[:40, 2], -1)
    classifier = Logistic(l2=0.01).fit(Linear(), data(examples), seed=0)
    assert classifier.distribution == BERNOULLI
    probabilities = classifier.probabilities(examples.embeddings_BD)
    for place in range(CLASSES):
        known = examples.labels_B[:, place] >= 0
        solver = LogisticRegression(C=1 / (0.01 * known.sum()), max_iter=1000, tol=1e-4)
        solver.fit(examples.embeddings_BD[known], examples.labels_B[known, place])
        expected = solver.predict_proba(examples.embeddings_BD)[:, 1]
        np.testing.assert_allclose(probabilities[:, place], expected, atol=1e-5)


def test_the_gradient_of_the_stated_objective_is_zero():
    examples = with_labels(rows(120), np.s_[:40, 2], -1)
    weight, bias = (
        array.astype(np.float64) for array in Logistic(l2=0.01).fit(Linear(), data(examples), seed=0).layers[0]
    )
    inputs = examples.embeddings_BD.astype(np.float64)
    for place in range(CLASSES):
        known = examples.labels_B[:, place] >= 0
        residual = expit(inputs[known] @ weight[:, place] + bias[place]) - examples.labels_B[known, place]
        np.testing.assert_allclose(inputs[known].T @ residual / known.sum() + 0.01 * weight[:, place], 0, atol=1e-4)
        assert abs(residual.mean()) < 1e-4


@pytest.mark.parametrize(("value", "probability"), [(0, 1 / 32), (1, 31 / 32), (-1, 1 / 2)])
def test_a_class_with_one_answer_has_it_by_the_rule_of_succession(value: int, probability: float):
    examples = with_labels(rows(30), np.s_[:, 1], value)
    weight, bias = Logistic().fit(Linear(), data(examples), seed=0).layers[0]
    assert not weight[:, 1].any()
    assert bias[1] == pytest.approx(logit(probability), abs=1e-6)


def test_logistic_is_deterministic_whatever_the_seed():
    one, other = (Logistic().fit(Linear(), data(rows(50)), seed) for seed in (0, 1))
    assert same(one, other)


@pytest.mark.parametrize("proxy", [Linear(), Shallow()], ids=["linear", "shallow"])
def test_supervised_learns_every_class(proxy: Linear | Shallow):
    classifier = Supervised(epochs=30, learning_rate=0.05).fit(proxy, data(rows(200)), seed=0)
    test = rows(400, seed=5)
    found = TASK.of_split("Test", TASK.tally(classifier.probabilities(test.embeddings_BD), test.labels_B))
    assert found["Test mAP"] > 0.75
    assert found["Test Accuracy"] > 0.75


def test_unknown_entries_teach_nothing():
    trainer = Supervised(epochs=3, learning_rate=0.05, mixup=0.0)
    examples = rows(40)
    unknown = with_labels(examples, np.s_[:20], -1)
    validation = Examples(examples.embeddings_BD[:0], examples.labels_B[:0])
    moved = Examples(unknown.embeddings_BD.copy(), unknown.labels_B)
    one, other = (trainer.fit(Linear(), data(each, validation), seed=0) for each in (unknown, examples))
    assert not same(one, other)
    moved.embeddings_BD[:20] += 100
    assert same(trainer.fit(Linear(), data(moved, validation), seed=0), one)


def test_mixing_with_an_unknown_entry_leaves_it_unknown():
    targets = TASK.targets(torch.tensor([[1, -1], [0, 1]], dtype=torch.int8), 2, 0.0)
    mixed = 0.25 * targets + 0.75 * targets.flip(0)
    assert mixed[0].tolist()[0] == 0.25
    assert mixed[:, 1].isnan().all()
    loss = TASK.loss(torch.zeros((2, 2)), mixed)
    assert float(loss) == pytest.approx(np.log(2))


def test_the_epoch_that_is_kept_is_that_of_the_best_map():
    kept = Supervised(epochs=15, learning_rate=0.05, keep="accuracy", patience=15).fit(Linear(), data(rows(60)), seed=0)
    held_out = rows(60, seed=9)

    def score(classifier: Classifier) -> float:
        probabilities = classifier.probabilities(held_out.embeddings_BD)
        return TASK.of_split("Validation", TASK.tally(probabilities, held_out.labels_B))["Validation mAP"]

    others = [
        Supervised(epochs=15, learning_rate=0.05, keep="last").fit(Linear(), data(rows(60)), seed=0),
        Supervised(epochs=15, learning_rate=0.05, keep="loss").fit(Linear(), data(rows(60)), seed=0),
    ]
    assert score(kept) >= max(map(score, others))


def test_the_trainers_that_serve_several_labels():
    assert tasks.serving(Trainer, trainers.PACKAGE, ["multi_label"]) == ["logistic", "newest_only", "supervised"]
    served = (tasks.serving(Trainer, trainers.PACKAGE, [task]) for task in ("single_label", "regression", "response"))
    assert set(plugins.names(trainers.PACKAGE)) == {name for names in served for name in names}

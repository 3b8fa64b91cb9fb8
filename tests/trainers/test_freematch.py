"""FreeMatch against its formulas in float64."""

import numpy as np
import pytest
import torch

from labelbench_ray.trainers.freematch import fairness_loss
from tests.trainers.made_up import Expected, check_ten_steps, method, numeric_gradient, softmax, weighted_cross_entropy

CLASSES = 4


def fairness(student: np.ndarray, selected: np.ndarray, mean: np.ndarray, predicted: np.ndarray) -> float:
    if not selected.any():
        return 0.0
    chosen = softmax(student)[selected]
    shares = [np.mean(chosen.argmax(axis=1) == name) for name in range(CLASSES)]
    ratio = np.array([chosen[:, name].mean() / shares[name] if shares[name] else 0.0 for name in range(CLASSES)])
    target = np.array([mean[name] / predicted[name] if predicted[name] else 0.0 for name in range(CLASSES)])
    return float((target / target.sum() * np.log(ratio / ratio.sum() + 1e-12)).sum())


@pytest.mark.parametrize("momentum", [0.999, 0.5])
def test_ten_steps_are_those_of_the_formula(momentum: float):
    """The running means know the batch before it is masked."""
    kept = {name: np.full(CLASSES, 1 / CLASSES) for name in ("mean_K", "predicted_K")}
    kept["threshold"] = np.array(1 / CLASSES)

    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        probabilities = softmax(weak)
        labels = probabilities.argmax(axis=1)
        shares = np.array([(labels == name).mean() for name in range(CLASSES)])
        for name, now in (
            ("threshold", probabilities.max(axis=1).mean()),
            ("mean_K", probabilities.mean(axis=0)),
            ("predicted_K", shares),
        ):
            kept[name] = momentum * kept[name] + (1 - momentum) * now
        thresholds = kept["threshold"] * kept["mean_K"] / kept["mean_K"].max()
        selected = probabilities.max(axis=1) >= thresholds[labels]
        taught = weighted_cross_entropy(labels, selected.astype(float))
        mean, predicted = kept["mean_K"].copy(), kept["predicted_K"].copy()

        def loss(student: np.ndarray) -> float:
            return taught(student) + 0.1 * fairness(student, selected, mean, predicted)

        return Expected(loss, labels, selected.astype(float))

    seen = check_ten_steps(method("freematch", momentum=momentum, fairness_weight=0.1), oracle, lambda: kept)
    assert momentum > 0.9 or not all(each.weights.all() for each in seen)


def test_a_class_never_predicted_keeps_its_place_in_the_fairness_term():
    """A share of 1e-6, whose inverse float16 cannot hold, still makes nearly all of the target."""
    mean, predicted = np.array([0.5, 0.3, 0.1, 0.1]), np.array([0.6, 0.3, 0.1 - 1e-6, 1e-6])
    student = np.random.default_rng(0).normal(size=(8, CLASSES))
    logits = torch.tensor(student, dtype=torch.float32, requires_grad=True)
    loss = fairness_loss(logits, torch.tensor(mean, dtype=torch.float32), torch.tensor(predicted, dtype=torch.float32))
    loss.backward()

    def expected(at: np.ndarray) -> float:
        return fairness(at, np.ones(8, bool), mean, predicted)

    assert loss.item() == pytest.approx(expected(student), rel=1e-4)
    np.testing.assert_allclose(logits.grad, numeric_gradient(expected, student), rtol=1e-3, atol=1e-5)


def test_no_selected_row_makes_no_fairness_loss():
    logits = torch.zeros(0, 3, requires_grad=True)
    loss = fairness_loss(logits, torch.full((3,), 1 / 3), torch.full((3,), 1 / 3))
    loss.backward()
    assert loss.item() == 0

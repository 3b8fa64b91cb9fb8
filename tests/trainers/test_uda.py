"""UDA against its formulas in float64."""

import numpy as np
import pytest
import torch

from labelbench_ray.trainers.uda import Uda, risen
from tests.trainers.made_up import Expected, check_ten_steps, fit_data, method, softmax, step


def test_ten_steps_are_those_of_the_formula():
    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        targets, weights = softmax(weak / 0.4), (softmax(weak).max(axis=1) >= 0.8).astype(float)

        def loss(student: np.ndarray) -> float:
            return float(-(weights * (targets * np.log(softmax(student))).sum(axis=1)).mean())

        return Expected(loss, weak.argmax(axis=1), weights)

    check_ten_steps(method("uda"), oracle)


def test_the_mask_looks_at_the_unsharpened_confidence():
    """Sharpened, a probability of 0.7 would be 0.89."""
    given = fit_data(2, 2, 1, scale=0.0)
    with torch.no_grad():
        given.inputs.rows["weak"][0] = torch.tensor([0.7, 0.3]).log()  # type: ignore[attr-defined]
    found = []
    object.__setattr__(given, "on_pseudo_labels", found.append)
    Uda(threshold=0.8).loss(step(given, {}, np.arange(2), np.array([0])))
    Uda(threshold=0.69).loss(step(given, {}, np.arange(2), np.array([0])))
    assert [labels.weights_U.tolist() for labels in found] == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("none", (1, 1, 1)),
        ("linear", (0, 0.5, 1)),
        ("log", (0, 0.917915, 0.993262)),
        ("exp", (0.006738, 0.082085, 1)),
    ],
)
def test_schedules_of_the_annealing(schedule: str, values: tuple[float, float, float]):
    assert [risen(schedule, share) for share in (0, 0.5, 1)] == pytest.approx(values, abs=1e-5)  # type: ignore[arg-type]


def test_annealing_leaves_out_labeled_rows_that_are_known_by_now():
    """Half way, with two classes, the bound is 0.5 * (1 - 1/2) + 1/2 = 0.75."""
    probabilities = np.array([[0.8, 0.2], [0.3, 0.7]])
    given = fit_data(2, 2, 1)
    logits = torch.tensor(probabilities).log().float().requires_grad_()
    loss = Uda(annealing="linear").labeled_loss(logits, step(given, {}, np.arange(2), np.array([0]), progress=0.5))
    assert loss.item() == pytest.approx(-np.log(0.7) / 2, rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0, 0]
    whole = Uda().labeled_loss(logits, step(given, {}, np.arange(2), np.array([0])))
    assert whole.item() == pytest.approx(-np.log([0.8, 0.7]).mean(), rel=1e-5)

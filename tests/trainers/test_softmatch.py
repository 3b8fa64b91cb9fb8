"""SoftMatch against its formulas in float64."""

import numpy as np
import pytest
import torch

from labelbench_ray.trainers.softmatch import Softmatch
from tests.trainers.made_up import Expected, check_ten_steps, fit_data, method, softmax, step, weighted_cross_entropy

CLASSES = 4


@pytest.mark.parametrize("momentum", [0.999, 0.5])
@pytest.mark.parametrize("batch", [12, 1])
def test_ten_steps_are_those_of_the_formula(momentum: float, batch: int):
    kept: dict[str, np.ndarray] = {"confidence": np.array(1 / CLASSES), "variance": np.array(1.0)}

    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        raw = softmax(weak)
        before = kept.get("mean_K", raw.mean(axis=0))
        kept["mean_K"] = momentum * before + (1 - momentum) * raw.mean(axis=0)
        aligned = raw * (1 / CLASSES + 1e-6) / (kept["mean_K"] + 1e-6)
        confidence = (aligned / aligned.sum(axis=1, keepdims=True)).max(axis=1)
        variance = max(((confidence - confidence.mean()) ** 2).sum() / max(1, len(confidence) - 1), 1e-8)
        kept["confidence"] = momentum * kept["confidence"] + (1 - momentum) * confidence.mean()
        kept["variance"] = momentum * kept["variance"] + (1 - momentum) * variance
        below = np.minimum(0, confidence - kept["confidence"])
        weights = np.exp(-(below**2) / (2 * kept["variance"] / 4))
        labels = raw.argmax(axis=1)
        return Expected(weighted_cross_entropy(labels, weights), labels, weights)

    seen = check_ten_steps(method("softmatch", momentum=momentum), oracle, lambda: kept, batch=batch)
    if batch > 1 and momentum < 0.9:
        assert min(each.weights.min() for each in seen) < 0.5


def test_pseudo_labels_are_of_the_raw_probabilities():
    """The aligned ones of the second row would be the other class."""
    probabilities = torch.tensor([[0.99, 0.01], [0.55, 0.45]])
    state = Softmatch().begin(fit_data(2, 2, 2))
    Softmatch().renew(state, probabilities)
    assert (probabilities[1] / state["mean_K"]).argmax() == 1
    assert pseudo_labels(probabilities.log()) == [0, 0]


def pseudo_labels(weak: torch.Tensor) -> list[int]:
    given, found = fit_data(2, 2, 2), []
    with torch.no_grad():
        given.inputs.rows["weak"].copy_(weak)  # type: ignore[attr-defined]
    object.__setattr__(given, "on_pseudo_labels", found.append)
    trainer = Softmatch()
    trainer.loss(step(given, trainer.begin(given), np.arange(2), np.arange(2)))
    return list(found[0].pseudo_labels_U)

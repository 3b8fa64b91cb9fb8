"""FixMatch against its formula in float64."""

import numpy as np

from tests.trainers.made_up import Expected, check_ten_steps, method, softmax, weighted_cross_entropy


def test_ten_steps_are_those_of_the_formula():
    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        labels = softmax(weak).argmax(axis=1)
        weights = np.array([float(max(row) >= 0.7) for row in softmax(weak)])
        return Expected(weighted_cross_entropy(labels, weights), labels, weights)

    seen = check_ten_steps(method("fixmatch", threshold=0.7), oracle)
    assert len({float(each.weights.mean()) for each in seen}) > 3

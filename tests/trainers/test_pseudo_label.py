"""Pseudo-label against its formula in float64; what its weak views learn is in test_semi.py."""

import numpy as np
import pytest

from tests.trainers.made_up import Expected, check_ten_steps, method, softmax, weighted_cross_entropy


@pytest.mark.parametrize("ramp", [0.4, 1.0, 0.0])
def test_ten_steps_are_those_of_the_formula(ramp: float):
    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        labels = softmax(weak).argmax(axis=1)
        weights = (softmax(weak).max(axis=1) >= 0.7).astype(float)
        grown = 1.0 if ramp == 0 else min(1.0, progress / ramp)
        return Expected(weighted_cross_entropy(labels, grown * weights), labels, weights)

    check_ten_steps(method("pseudo_label", threshold=0.7, ramp=ramp), oracle)

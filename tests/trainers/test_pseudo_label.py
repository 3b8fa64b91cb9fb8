"""Pseudo-label against its formula in float64; what its weak views learn is in test_semi.py."""

import numpy as np
import pytest

from tests.trainers.made_up import Expected, check_ten_steps, method, softmax, weighted_cross_entropy


@pytest.mark.parametrize(
    ("settings", "certain"),
    [
        ({"epochs": 20, "patience": 10}, 11 / 20),
        ({"epochs": 20, "patience": 3, "keep": "loss"}, 4 / 20),
        ({"epochs": 5, "patience": 10}, 1.0),
        ({"epochs": 20, "patience": 3, "keep": "last"}, 1.0),
    ],
)
@pytest.mark.parametrize("ramp", [0.4, 1.0, 0.0])
def test_ten_steps_are_those_of_the_formula(ramp: float, settings: dict, certain: float):
    """The ramp is a share of the steps of the epochs that run whatever validation finds."""

    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        labels = softmax(weak).argmax(axis=1)
        weights = (softmax(weak).max(axis=1) >= 0.7).astype(float)
        grown = 1.0 if ramp == 0 else min(1.0, progress / (ramp * certain))
        return Expected(weighted_cross_entropy(labels, grown * weights), labels, weights)

    check_ten_steps(method("pseudo_label", threshold=0.7, ramp=ramp, **settings), oracle)

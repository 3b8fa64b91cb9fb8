"""Pseudo-labels are counted by weight, epoch by epoch."""

import numpy as np
import pytest

from labelbench_ray.trainers import PseudoLabels
from labelbench_ray.trial.pseudo_labels import PseudoLabelStats


def of_step(epoch: int, places: list[int], labels: list[int], weights: list[float]) -> PseudoLabels:
    return PseudoLabels(epoch, np.array(places), np.array(labels), np.array(weights, np.float32))


def test_the_last_epoch_is_counted_by_weight():
    stats = PseudoLabelStats(truth_N=np.array([2, 1, 0, 1]))
    stats.add(of_step(0, [0, 1], [0, 0], [1, 1]))
    stats.add(of_step(1, [0, 3], [2, 0], [1, 0.5]))
    stats.add(of_step(1, [1, 2], [1, 1], [0.5, 0]))
    assert stats.metrics() == {"Pseudo-Label Mask Rate": pytest.approx(0.5), "Pseudo-Label Accuracy": 0.75}
    assert [
        stats.epochs[0].right,
        stats.epochs[0].used,
        stats.epochs[0].rows,
    ] == [0, 2, 2]


def test_no_row_used_has_no_accuracy_and_no_fit_no_metrics():
    stats = PseudoLabelStats(truth_N=np.array([2]))
    assert stats.metrics() == {}
    stats.add(of_step(0, [0], [2], [0]))
    assert stats.metrics() == {"Pseudo-Label Mask Rate": 0}

"""Metrics against scikit-learn, plain loops and LabelBench's definitions; tallies of parts add up."""

from dataclasses import fields
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from sklearn import metrics as sklearn_metrics

from labelbench_ray.tasks import _single_label_metrics as metrics
from labelbench_ray.tasks._single_label_metrics import tally


def rows(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    probabilities = rng.dirichlet(np.full(classes, 0.3), count) + 0.3 * np.eye(classes)[labels]
    return (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_equal_scikit_learn_s(classes: int, seed: int):
    probabilities, labels = rows(400, classes, seed)
    predicted = probabilities.argmax(axis=1)
    exact = probabilities.astype(np.float64) / probabilities.sum(axis=1, dtype=np.float64, keepdims=True)
    found = metrics.of_split("Test", tally(probabilities, labels))
    expected = {
        "Test Accuracy": sklearn_metrics.accuracy_score(labels, predicted),
        "Balanced Test Accuracy": sklearn_metrics.balanced_accuracy_score(labels, predicted),
        "Test Macro F1": sklearn_metrics.f1_score(labels, predicted, average="macro"),
        "Test Loss": sklearn_metrics.log_loss(labels, exact, labels=range(classes)),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)


@given(draw.lists(draw.tuples(draw.integers(0, 4), draw.integers(0, 4)), min_size=1, max_size=12))
def test_macro_f1_averages_over_classes_that_occur_as_scikit_learn_does(pairs: list[tuple[int, int]]):
    labels, predicted = np.array(pairs).T
    found = metrics.of_split("Test", tally(np.eye(5, dtype=np.float32)[predicted], labels))
    expected = sklearn_metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    assert found["Test Macro F1"] == pytest.approx(expected)


def test_figures_over_classes_count_an_absent_class_as_zero_and_present_classes_leave_it_out():
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
    found = metrics.of_split("Test", tally(np.eye(3, dtype=np.float32)[predicted], labels))
    assert found["Balanced Test Accuracy"] == pytest.approx(0.5)
    assert found["Min Class Test Accuracy"] == 0
    assert found["Max Class Test Accuracy"] == 1
    assert found["STD Test Accuracy"] == pytest.approx(np.std([1, 0.5, 0]))
    assert found["Test Accuracy Present Classes"] == pytest.approx(0.75)


def test_names_follow_labelbench():
    counts = tally(*rows(10, 3))
    names = {split: set(metrics.of_split(split, counts)) for split in ("Pool", "Validation", "Test")}
    assert {"Pool Accuracy", "Balanced Training Accuracy", "Min Class Pool Accuracy", "Pool Loss"} <= names["Pool"]
    assert {"Validation Accuracy", "Balanced Validation Accuracy", "STD Val Accuracy", "Validation Loss"} <= names[
        "Validation"
    ]
    assert {"Test Accuracy", "Balanced Test Accuracy", "Max Class Test Accuracy", "Test Macro F1"} <= names["Test"]


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_a_plain_loop(seed: int):
    probabilities, labels = rows(300, 4, seed)
    expected = 0.0
    for number in range(metrics.CALIBRATION_BINS):
        low, high = number / metrics.CALIBRATION_BINS, (number + 1) / metrics.CALIBRATION_BINS
        inside = [
            (float(row.max()), row.argmax() == label)
            for row, label in zip(probabilities, labels, strict=True)
            if low <= row.max() < high or (high == 1 and row.max() == 1)
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            expected += len(inside) / 300 * abs(confidence - right)
    found = metrics.of_split("Test", tally(probabilities, labels))["Test Expected Calibration Error"]
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_certain_mistake_has_a_finite_loss():
    found = metrics.of_split("Test", tally(np.array([[1, 0]], np.float32), np.array([1])))
    assert 80 < found["Test Loss"] < 110
    assert all(np.isfinite(value) for value in found.values())


@given(seed=draw.integers(0, 1000), cuts=draw.lists(draw.integers(0, 60), max_size=4))
def test_tallies_of_parts_add_up_to_the_tally_of_the_whole(seed: int, cuts: list[int]):
    probabilities, labels = rows(60, 3, seed)
    edges = [0, *sorted(cuts), 60]
    parts = [tally(probabilities[start:stop], labels[start:stop]) for start, stop in pairwise(edges)]
    total, whole = reduce(add, parts), tally(probabilities, labels)
    for field in fields(whole):
        np.testing.assert_allclose(
            getattr(total, field.name), getattr(whole, field.name), rtol=1e-12, err_msg=field.name
        )


def test_counts_of_the_labeled_rows():
    found = metrics.of_labeled(np.array([0, 0, 0, 2]), num_classes=3)
    assert found["Num Labeled"] == 4
    assert found["Total Number of Positive"] == 4
    assert (found["Min Class Number of Positive"], found["Max Class Number of Positive"]) == (0, 3)
    assert found["Labeled Class Imbalance"] == 3
    assert found["Labeled Class Entropy"] == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))


@given(seed=draw.integers(0, 1000), labeled=draw.integers(0, 50))
def test_labeling_accuracy_counts_bought_labels_where_there_are_some_and_predictions_elsewhere(seed: int, labeled: int):
    rng = np.random.default_rng(seed)
    probabilities, truth = rows(50, 3, seed)
    predicted = probabilities.argmax(axis=1)
    bought = rng.choice(50, labeled, replace=False)
    answers = rng.integers(0, 3, labeled)
    final = predicted.copy()
    final[bought] = answers
    found = metrics.labeling_accuracy(
        tally(probabilities, truth), int((predicted[bought] == truth[bought]).sum()), answers, truth[bought]
    )
    assert found == pytest.approx((final == truth).mean())

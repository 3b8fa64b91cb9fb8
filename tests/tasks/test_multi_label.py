"""The multi-label task: metrics against scikit-learn and by hand, answers in JSON, the loss with unknown entries."""

from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as draw
from sklearn import metrics as sklearn_metrics
from torch.nn.functional import binary_cross_entropy_with_logits

from labelbench_ray import tasks
from labelbench_ray.tasks import _multi_label_metrics as metrics
from labelbench_ray.tasks._multi_label_metrics import tally

TASK = tasks.create("multi_label")


def rows(count: int, classes: int, seed: int = 0, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that know something of the labels; with `ties`, many are equal."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, classes)) < 0.3).astype(np.int8)
    logits = rng.normal(size=(count, classes)) + labels
    probabilities = 1 / (1 + np.exp(-logits))
    return (np.clip(np.round(probabilities, 1), 0.1, 0.9) if ties else probabilities).astype(np.float32), labels


def top_three(probabilities: np.ndarray) -> np.ndarray:
    predicted = np.zeros(probabilities.shape, bool)
    for row, values in enumerate(probabilities):
        predicted[row, sorted(range(len(values)), key=lambda place: (-values[place], place))[:3]] = True
    return predicted


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 5, 20])
def test_equal_scikit_learn_s(classes: int, ties: bool):
    probabilities, labels = rows(300, classes, seed=classes, ties=ties)
    found = metrics.of_split("Test", tally(probabilities, labels))
    expected = {
        "Test mAP": sklearn_metrics.average_precision_score(labels, probabilities, average="macro"),
        "Test Accuracy": ((probabilities >= 0.5) == labels).mean(),
        "Test Loss": np.mean([sklearn_metrics.log_loss(*pair) for pair in zip(labels.T, probabilities.T, strict=True)]),
    }
    for suffix, predicted in (("", probabilities >= 0.5), (" Top-3", top_three(probabilities))):
        for kind, average in (("Overall", "micro"), ("Class Average", "macro")):
            precision, recall, _, _ = sklearn_metrics.precision_recall_fscore_support(
                labels, predicted, average=average, zero_division=0
            )
            expected |= {
                f"Test {kind} Precision{suffix}": precision,
                f"Test {kind} Recall{suffix}": recall,
                f"Test {kind} F1{suffix}": 2 * precision * recall / (precision + recall),
            }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert found["Test Classes with Positives"] == classes
    assert found.keys() == expected.keys() | {"Test Classes with Positives"}


def test_class_average_f1_is_the_harmonic_mean_of_both_averages_and_not_the_mean_of_f1():
    probabilities, labels = rows(200, 6, seed=3)
    found = metrics.of_split("Test", tally(probabilities, labels))
    mean_of_f1 = sklearn_metrics.f1_score(labels, probabilities >= 0.5, average="macro")
    precision, recall = found["Test Class Average Precision"], found["Test Class Average Recall"]
    assert found["Test Class Average F1"] == 2 * precision * recall / (precision + recall)
    assert abs(found["Test Class Average F1"] - mean_of_f1) > 1e-3


def test_a_fixture_by_hand():
    """Four rows, four classes: the third class has no positive row, the fourth one is unknown in two rows."""
    probabilities = np.array([[0.9, 0.2, 0.1, 0.8], [0.8, 0.6, 0.2, 0.7], [0.3, 0.7, 0.6, 0.4], [0.6, 0.1, 0.3, 0.9]])
    labels = np.array([[1, 0, 0, 1], [0, 1, 0, -1], [1, 0, 0, 0], [0, 1, 0, -1]])
    found = metrics.of_split("Test", tally(probabilities.astype(np.float32), labels.astype(np.int8)))
    # Ranks: class 1 finds its rows at places 1 and 4, class 2 at 2 and 4, class 4 at 1 of its two known rows.
    assert found["Test mAP"] == pytest.approx(((1 + 2 / 4) / 2 + (1 / 2 + 2 / 4) / 2 + 1) / 3)
    assert found["Test Classes with Positives"] == 3
    # At 0.5: predicted 3, 2, 1, 1 and right 1, 1, 0, 1 times; positives 2, 2, 0, 1.
    assert found["Test Overall Precision"] == pytest.approx(3 / 7)
    assert found["Test Overall Recall"] == pytest.approx(3 / 5)
    assert found["Test Overall F1"] == pytest.approx(2 * 3 / (7 + 5))
    assert found["Test Class Average Precision"] == pytest.approx((1 / 3 + 1 / 2 + 0 + 1) / 4)
    assert found["Test Class Average Recall"] == pytest.approx((1 / 2 + 1 / 2 + 0 + 1) / 4)
    precision, recall = (1 / 3 + 1 / 2 + 1) / 4, (1 / 2 + 1 / 2 + 1) / 4
    assert found["Test Class Average F1"] == pytest.approx(2 * precision * recall / (precision + recall))
    # The three likeliest: rows 1 and 2 leave out class 3, row 3 class 1, row 4 class 2. Class 4 counts where known.
    assert found["Test Overall Precision Top-3"] == pytest.approx((1 + 1 + 0 + 1) / (3 + 3 + 2 + 2))
    assert found["Test Overall Recall Top-3"] == pytest.approx(3 / 5)
    assert found["Test Accuracy"] == pytest.approx(8 / 14)


def test_without_a_positive_row_there_is_no_map_and_everything_is_finite():
    found = metrics.of_split("Test", tally(np.full((3, 2), 0.2, np.float32), np.array([[0, 0], [-1, 0], [0, -1]])))
    assert "Test mAP" not in found
    assert found["Test Classes with Positives"] == 0
    assert found["Test Overall F1"] == 0
    assert all(np.isfinite(value) for value in found.values())


def test_a_certain_mistake_has_a_finite_loss():
    found = metrics.of_split("Test", tally(np.array([[1, 0]], np.float32), np.array([[0, 1]])))
    assert 80 < found["Test Loss"] < 110


@given(seed=draw.integers(0, 1000), cuts=draw.lists(draw.integers(0, 60), max_size=4))
def test_tallies_of_parts_add_up_whatever_the_order_of_the_rows(seed: int, cuts: list[int]):
    probabilities, labels = rows(60, 3, seed, ties=True)
    labels[np.random.default_rng(seed).random(labels.shape) < 0.2] = -1
    edges = [0, *sorted(cuts), 60]
    parts = [tally(probabilities[start:stop], labels[start:stop]) for start, stop in pairwise(edges)]
    shuffled = np.random.default_rng(seed).permutation(60)
    found = metrics.of_split("Pool", tally(probabilities, labels))
    assert metrics.of_split("Pool", reduce(add, parts)) == found
    assert metrics.of_split("Pool", tally(probabilities[shuffled], labels[shuffled])) == found


def test_names_follow_labelbench():
    names = set(metrics.of_split("Pool", tally(*rows(10, 3))))
    assert {"Pool mAP", "Pool Accuracy", "Pool Loss", "Pool Overall F1", "Pool Class Average Precision"} <= names
    assert {f"Test {TASK.primary}", TASK.shown[0]} == {"Test mAP"}


def test_counts_of_the_labeled_rows():
    found = TASK.of_labeled(np.array([[1, 0, 1], [1, -1, 0], [1, 0, 0]], np.int8), 3)
    assert found["Num Labeled"] == 3
    assert found["Total Number of Positive"] == 4
    assert (found["Min Class Number of Positive"], found["Max Class Number of Positive"]) == (0, 3)


@given(seed=draw.integers(0, 1000), labeled=draw.integers(0, 50))
def test_labeling_accuracy_counts_bought_entries_where_there_are_some_and_predictions_elsewhere(
    seed: int, labeled: int
):
    rng = np.random.default_rng(seed)
    probabilities, truth = rows(50, 3, seed)
    truth[rng.random(truth.shape) < 0.1] = -1
    bought = rng.choice(50, labeled, replace=False)
    answers = rng.integers(0, 2, (labeled, 3)).astype(np.int8)
    final = (probabilities >= 0.5).astype(np.int8)
    final[bought] = answers
    right = int(TASK.right_answers(probabilities, truth)[bought].sum())
    found = TASK.labeling_accuracy(TASK.tally(probabilities, truth), right, answers, truth[bought])
    assert found == pytest.approx((final == truth)[truth >= 0].mean())


@given(seed=draw.integers(0, 1000), count=draw.integers(0, 6))
def test_answers_survive_json(seed: int, count: int):
    labels = np.random.default_rng(seed).integers(-1, 2, (count, 4)).astype(np.int8)
    back = TASK.from_json(TASK.to_json(labels), 4)
    np.testing.assert_array_equal(back, labels)
    assert back.dtype == labels.dtype
    assert back.shape == labels.shape


def test_an_answer_names_its_classes():
    assert TASK.to_json(np.array([[0, 1, -1, 1], [0, 0, 0, 0]], np.int8)) == [
        {"positive": [1, 3], "unknown": [2]},
        {"positive": []},
    ]
    words = TASK.in_words(pa.array([[0, 1, -1, 1], None, [0, 0, 0, 0]]), ["cat", "dog", "car", "bus"])
    assert words.to_pylist() == ["bus, dog, car (unknown)", None, ""]


def test_the_loss_is_scikit_learn_s_over_the_known_entries_and_unknown_ones_have_no_gradient():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, (30, 4)).astype(np.int8)
    logits = torch.tensor(rng.normal(size=(30, 4)), requires_grad=True)
    loss = TASK.loss(logits, TASK.targets(torch.from_numpy(labels), 4, smoothing=0.0))
    known = labels >= 0
    probabilities = torch.sigmoid(logits).detach().numpy()[known]
    assert float(loss.detach()) == pytest.approx(sklearn_metrics.log_loss(labels[known], probabilities), rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert ((logits.grad.numpy() != 0) == known).all()


def test_smoothing_moves_both_answers_towards_a_half():
    labels = torch.tensor([[1, 0, -1]], dtype=torch.int8)
    targets = TASK.targets(labels, 3, smoothing=0.2)
    assert targets[0, :2].tolist() == pytest.approx([0.9, 0.1])
    assert bool(targets[0, 2].isnan())
    logits = torch.tensor([[0.5, -1.0, 3.0]])
    expected = binary_cross_entropy_with_logits(logits[:, :2], torch.tensor([[0.9, 0.1]]))
    assert float(TASK.loss(logits, targets)) == pytest.approx(float(expected))


def test_a_batch_of_which_nothing_is_known_has_loss_0():
    logits = torch.zeros((2, 3), requires_grad=True)
    loss = TASK.loss(logits, TASK.targets(torch.full((2, 3), -1, dtype=torch.int8), 3, 0.0))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_validation_is_map_and_loss():
    probabilities, labels = rows(80, 4, seed=1)
    logits = torch.from_numpy(np.log(probabilities / (1 - probabilities)))
    score, loss = TASK.validated(logits, torch.from_numpy(labels))
    found = metrics.of_split("Validation", tally(probabilities, labels))
    assert (score, loss) == pytest.approx((found["Validation mAP"], found["Validation Loss"]), rel=1e-5)

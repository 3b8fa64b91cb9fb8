"""Maximally interfered retrieval: which rows a step replays, by a virtual step computed by hand in float64."""

import copy

import numpy as np
import pytest

from labelbench_ray.trainers.mir import Mir, interference
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, data, model, previous, step

NOW = model(3, DIMENSIONS, CLASSES)
OLDER, NEWEST, RATE = 50, [50, 51, 52, 53], 0.3


def given():
    return data(OLDER + len(NEWEST), previous(OLDER, NOW), bought=np.zeros((OLDER, CLASSES)))


def rises() -> np.ndarray:
    """(OLDER,) the rise of each older row's cross-entropy by a step of gradient descent on the newest rows, float64."""
    rows = given()
    inputs, labels = rows.inputs.labeled_LD.astype(np.float64), rows.labels_L.numpy()
    weight, bias = (part.astype(np.float64) for part in NOW.layers[0])

    def losses(weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return -np.log(softmax64(inputs @ weight + bias)[np.arange(len(inputs)), labels])[:OLDER]

    errors = (softmax64(inputs[NEWEST] @ weight + bias) - np.eye(CLASSES)[labels[NEWEST]]) / len(NEWEST)
    moved = weight - RATE * inputs[NEWEST].T @ errors, bias - RATE * errors.sum(axis=0)
    return losses(*moved) - losses(weight, bias)


def test_3_replays_the_rows_whose_loss_rises_most_and_changes_nothing():
    """Test 3 of continual training."""
    trainer = Mir(virtual_rate=RATE, mixup=0)  # 8 of 20 candidates
    taken = step(trainer, given(), NEWEST, NOW, seed=4)
    before = copy.deepcopy(taken.module.state_dict())
    assert interference(taken, np.arange(OLDER), RATE) == pytest.approx(rises(), abs=1e-5)
    every = Mir(virtual_rate=RATE, mixup=0, candidates_per_older=OLDER / 8)
    found = every.replayed(taken)
    assert found.tolist() == np.argsort(-rises(), kind="stable")[:8].tolist()
    for name, kept in taken.module.state_dict().items():
        assert kept.equal(before[name])
    assert all(weight.grad is None for weight in taken.module.parameters())


def test_candidates_are_few_and_drawn():
    trainer = Mir(virtual_rate=RATE, mixup=0)
    found = [trainer.replayed(step(trainer, given(), NEWEST, NOW, seed=seed)).tolist() for seed in range(5)]
    assert all(len(set(rows)) == 8 and max(rows) < OLDER for rows in found)
    assert len(set(map(tuple, found))) > 1


def test_softmax_draws_in_proportion_to_the_rises():
    """The official code's choice; with one row to draw, its law is the softmax."""
    trainer = Mir(virtual_rate=RATE, choose="softmax", older_per_newest=0.25, candidates_per_older=OLDER, mixup=0)
    taken = step(trainer, given(), NEWEST, NOW)
    counts = np.zeros(OLDER)
    for _ in range(3000):
        counts[trainer.replayed(taken)] += 1
    law = np.exp(rises()) / np.exp(rises()).sum()
    assert np.abs(counts / 3000 - law).max() < 4 * np.sqrt(law.max() / 3000)


def test_the_loss_is_one_mean_over_newest_and_replayed_rows():
    trainer = Mir(mixup=0, label_smoothing=0)
    rows = data(7, previous(3, NOW), bought=np.zeros((3, CLASSES)))
    found = float(trainer.loss(step(trainer, rows, [3, 4, 5, 6], NOW)).detach())
    said = softmax64(rows.inputs.labeled_LD @ NOW.layers[0][0] + NOW.layers[0][1])
    assert found == pytest.approx(-np.log(said[np.arange(7), rows.labels_L]).mean(), rel=1e-5)

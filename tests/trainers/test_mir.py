"""Maximally interfered retrieval: which rows a step replays, by a virtual step computed by hand in float64."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import cross_entropy

from labelbench_ray.trainers.engine.step import Step
from labelbench_ray.trainers.mir import Mir, by_gradient, by_softmax, interference
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, data, model, previous, step

NOW = model(3, DIMENSIONS, CLASSES)
OLDER, NEWEST, RATE = 50, [50, 51, 52, 53], 0.3


def given():
    return data(OLDER + len(NEWEST), previous(OLDER, NOW), bought=np.zeros((OLDER, CLASSES)))


def slopes() -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the newest rows' mean cross-entropy, float64: (D, K) of the weight and (K,) of the bias."""
    rows = given()
    inputs, labels = rows.inputs.labeled_LD[NEWEST].astype(np.float64), rows.labels_L.numpy()[NEWEST]
    weight, bias = (part.astype(np.float64) for part in NOW.layers[0])
    errors = (softmax64(inputs @ weight + bias) - np.eye(CLASSES)[labels]) / len(NEWEST)
    return inputs.T @ errors, errors.sum(axis=0)


def rises(weight_step: np.ndarray | None = None, bias_step: np.ndarray | None = None) -> np.ndarray:
    """(OLDER,) the rise of each older row's cross-entropy by a step, float64; by default, of gradient descent."""
    rows = given()
    inputs, labels = rows.inputs.labeled_LD[:OLDER].astype(np.float64), rows.labels_L.numpy()[:OLDER]
    weight, bias = (part.astype(np.float64) for part in NOW.layers[0])

    def losses(weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return -np.log(softmax64(inputs @ weight + bias)[np.arange(OLDER), labels])

    if weight_step is None or bias_step is None:
        weight_step, bias_step = (-RATE * slope for slope in slopes())
    return losses(weight + weight_step, bias + bias_step) - losses(weight, bias)


def with_optimizer(taken: Step) -> tuple[Step, torch.optim.AdamW]:
    """The step as one of a fit: AdamW with moments of earlier steps, and the weights of `NOW`."""
    optimizer = torch.optim.AdamW(taken.module.parameters(), RATE, weight_decay=0.1, fused=True)
    older = given()
    for start in (0, 10):
        inputs = torch.from_numpy(older.inputs.labeled_LD[start : start + 10])
        cross_entropy(taken.module(inputs), older.labels_L[start : start + 10]).backward()
        optimizer.step()
        optimizer.zero_grad()
    NOW.fill(taken.module)
    return replace(taken, optimizer=optimizer), optimizer


def adamw(optimizer: torch.optim.AdamW, weight: torch.Tensor, slope: np.ndarray) -> np.ndarray:
    """What AdamW (Loshchilov and Hutter 2019) adds to a weight, float64."""
    state, beta, gamma = optimizer.state[weight], 0.9, 0.999
    steps = float(state["step"]) + 1
    first = beta * state["exp_avg"].double().numpy() + (1 - beta) * slope
    second = gamma * state["exp_avg_sq"].double().numpy() + (1 - gamma) * slope**2
    scaled = (first / (1 - beta**steps)) / (np.sqrt(second / (1 - gamma**steps)) + 1e-8)
    return -RATE * (0.1 * weight.detach().double().numpy() + scaled)


def test_3_replays_the_rows_whose_loss_rises_most_and_changes_nothing():
    """Test 3 of continual training."""
    trainer = Mir(virtual_rate=RATE, mixup=0)  # 8 of 20 candidates
    taken = step(trainer, given(), NEWEST, NOW, seed=4)
    before = copy.deepcopy(taken.module.state_dict())
    assert interference(taken, np.arange(OLDER), partial(by_gradient, rate=RATE)) == pytest.approx(rises(), abs=1e-5)
    every = Mir(virtual_rate=RATE, mixup=0, candidates_per_older=OLDER / 8)
    found = every.replayed(taken)
    assert found.tolist() == np.argsort(-rises(), kind="stable")[:8].tolist()
    for name, kept in taken.module.state_dict().items():
        assert kept.equal(before[name])
    assert all(weight.grad is None for weight in taken.module.parameters())


def test_3_the_virtual_step_of_the_optimizer_is_its_next_one_and_changes_nothing():
    """Test 3 of continual training, with `virtual="optimizer"`: weights, gradients and moments stay, bit for bit."""
    trainer = Mir(virtual="optimizer", mixup=0, candidates_per_older=OLDER / 8)
    taken, optimizer = with_optimizer(step(trainer, given(), NEWEST, NOW, seed=4))
    weight, bias = taken.module.parameters()
    slope_DK, slope_K = slopes()
    expected = rises(adamw(optimizer, weight, slope_DK.T).T, adamw(optimizer, bias, slope_K))
    assert set(np.argsort(-expected)[:8]) != set(np.argsort(-rises())[:8]), "plain descent picks other rows"
    weight.grad = torch.ones_like(weight)  # of earlier parts of an accumulated batch
    before = copy.deepcopy((taken.module.state_dict(), optimizer.state_dict()))

    assert interference(taken, np.arange(OLDER), trainer.virtual_step(taken)) == pytest.approx(expected, abs=1e-4)
    assert trainer.replayed(taken).tolist() == np.argsort(-expected, kind="stable")[:8].tolist()

    module, state = before
    assert all(kept.equal(module[name]) for name, kept in taken.module.state_dict().items())
    found = optimizer.state_dict()
    assert found["param_groups"] == state["param_groups"]
    for number, moments in state["state"].items():
        assert all(found["state"][number][name].equal(kept) for name, kept in moments.items())
    assert weight.grad.equal(torch.ones_like(weight))
    assert bias.grad is None


def test_the_virtual_step_of_the_optimizer_clips_as_the_real_one():
    """Plain AdamW on fresh moments hardly depends on the gradient's norm, SGD does."""
    trainer = Mir(virtual="optimizer", mixup=0, gradient_clip=0.01)
    taken = step(trainer, given(), NEWEST, NOW)
    taken = replace(taken, optimizer=torch.optim.SGD(taken.module.parameters(), RATE))
    slope_DK, slope_K = slopes()
    factor = 0.01 / np.sqrt((slope_DK**2).sum() + (slope_K**2).sum())
    expected = rises(-RATE * factor * slope_DK, -RATE * factor * slope_K)
    assert interference(taken, np.arange(OLDER), trainer.virtual_step(taken)) == pytest.approx(expected, abs=1e-5)


def test_candidates_are_few_and_drawn():
    trainer = Mir(virtual_rate=RATE, mixup=0)
    found = [trainer.replayed(step(trainer, given(), NEWEST, NOW, seed=seed)).tolist() for seed in range(5)]
    assert all(len(set(rows)) == 8 and max(rows) < OLDER for rows in found)
    assert len(set(map(tuple, found))) > 1


def test_softmax_draws_in_proportion_to_the_rises():
    """The official code's choice; with one row to draw, its law is the softmax."""
    given_rises, rng = rises(), np.random.default_rng(0)
    law = softmax64(given_rises[None])[0]
    drawn = np.bincount([by_softmax(given_rises, 1, rng)[0] for _ in range(3000)], minlength=OLDER)
    assert stats.chisquare(drawn, 3000 * law).pvalue > 1e-3


def test_a_step_that_draws_by_softmax_replays_different_rows_each_time():
    trainer = Mir(virtual_rate=RATE, choose="softmax", candidates_per_older=OLDER, mixup=0)
    taken = step(trainer, given(), NEWEST, NOW)
    found = [trainer.replayed(taken).tolist() for _ in range(3)]
    assert all(len(set(rows)) == 8 and max(rows) < OLDER for rows in found)
    assert len(set(map(tuple, found))) == 3


def test_the_loss_is_one_mean_over_newest_and_replayed_rows():
    trainer = Mir(mixup=0, label_smoothing=0)
    rows = data(7, previous(3, NOW), bought=np.zeros((3, CLASSES)))
    found = float(trainer.loss(step(trainer, rows, [3, 4, 5, 6], NOW)).detach())
    said = softmax64(rows.inputs.labeled_LD @ NOW.layers[0][0] + NOW.layers[0][1])
    assert found == pytest.approx(-np.log(said[np.arange(7), rows.labels_L]).mean(), rel=1e-5)

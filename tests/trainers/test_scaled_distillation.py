"""Scaled distillation: the loss written out, and which round's logits a row is held to."""

import numpy as np
import pytest
from scipy import special

from labelbench_ray.proxies import Classifier
from labelbench_ray.trainers import EmbeddedInputs, FitData
from labelbench_ray.trainers.scaled_distillation import ScaledDistillation
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, data, identity, model, previous, step

NOW = model(3, DIMENSIONS, CLASSES)
THEN = np.random.default_rng(8).normal(size=(3, CLASSES))


def given() -> FitData[EmbeddedInputs]:
    """Seven rows: rounds before bought two and one, this one four."""
    first, second = (model(seed, DIMENSIONS, CLASSES) for seed in (1, 2))
    return data(7, previous(2, first), previous(3, second), bought=THEN)


def test_a_row_is_held_to_the_logits_of_the_round_that_bought_it():
    sizes = [2, 1, 3]
    constant = [
        Classifier(identity(), ((np.zeros((DIMENSIONS, CLASSES), np.float32), np.full(CLASSES, number, np.float32)),))
        for number in range(3)
    ]
    rounds = [previous(end, model) for end, model in zip(np.cumsum(sizes).tolist(), constant, strict=True)]
    state = ScaledDistillation().begin(data(8, *rounds))
    assert state["then"].shape == (6, CLASSES)
    assert state["then"][:, 0].tolist() == [0, 0, 1, 2, 2, 2]
    assert ScaledDistillation().begin(data(8)) == {}


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("distillation", [0.0, 0.25, 0.5, 1.0])
def test_the_loss_is_that_of_the_paper(distillation: float, smoothing: float):
    trainer = ScaledDistillation(distillation=distillation, label_smoothing=smoothing, mixup=0)
    newest = [3, 5, 6]  # as many as there are older rows, so that all of those are replayed
    found = float(trainer.loss(step(trainer, given(), newest, NOW)).detach())

    labeled = given()
    said = softmax64(labeled.inputs.labeled_LD @ NOW.layers[0][0] + NOW.layers[0][1])
    targets = (1 - smoothing) * np.eye(CLASSES)[labeled.labels_L] + smoothing / CLASSES
    entropies = -(targets * np.log(said)).sum(axis=1)
    apart = special.rel_entr(softmax64(THEN), said[:3]).sum(axis=1)
    older = distillation * apart.mean() + (1 - distillation) * entropies[:3].mean()
    assert found == pytest.approx(4 / 7 * entropies[newest].mean() + 3 / 7 * older, rel=1e-5)


def test_2_a_model_that_gives_the_logits_of_then_learns_nothing_from_them():
    """Test 2 of continual training: the divergence of a row from its own logits is 0, and so is its gradient."""
    trainer = ScaledDistillation(distillation=1.0, mixup=0, label_smoothing=0)
    taken = step(trainer, data(7, previous(4, NOW)), [4, 5, 6], NOW)  # `then`, by the recorded model of that round
    found = trainer.outputs(taken)
    assert found is not None
    divergence = trainer.older_loss(found)
    divergence.backward()
    assert abs(float(divergence.detach())) <= 1e-7
    for weight in taken.module.parameters():
        assert weight.grad is not None
        assert float(weight.grad.abs().max()) <= 1e-7


def test_mixup_leaves_older_rows_alone():
    """With a newest row alone, mixing it with itself changes nothing, so that mixup must not change the loss."""
    losses = []
    for mixup in (0.0, 5.0):
        trainer = ScaledDistillation(mixup=mixup)
        given = data(2, previous(1, NOW), bought=THEN[:1])
        losses.append(float(trainer.loss(step(trainer, given, [1], NOW)).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("distillation", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(distillation: float):
    with pytest.raises(ValueError, match="distillation"):
        ScaledDistillation(distillation=distillation)

"""Scaled distillation: the loss written out, and which round's logits a row is held to."""

import numpy as np
import pytest
import torch
from scipy import special

from labelbench_ray.trainers import TrainingData
from labelbench_ray.trainers.engine.data import embedded_material
from labelbench_ray.trainers.scaled_distillation import ScaledDistillation
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, data, model, past, step

NOW = model(3, DIMENSIONS, CLASSES)
THEN = np.random.default_rng(8).normal(size=(3, CLASSES))


def lesson() -> TrainingData:
    """Seven rows: rounds before bought two and one, this one four."""
    first, second = (model(seed, DIMENSIONS, CLASSES) for seed in (1, 2))
    return data(7, past(2, first, THEN[:2]), past(3, second, THEN[2:]))


def test_a_row_is_held_to_the_logits_of_the_round_that_bought_it():
    sizes = [2, 1, 3]
    pasts = [
        past(end, NOW, np.full((size, CLASSES), number))
        for number, (end, size) in enumerate(zip(np.cumsum(sizes).tolist(), sizes, strict=True))
    ]
    state = ScaledDistillation().begin(embedded_material(data(8, *pasts)))
    assert state["then"].shape == (6, CLASSES)
    assert state["then"][:, 0].tolist() == [0, 0, 1, 2, 2, 2]
    assert ScaledDistillation().begin(embedded_material(data(8))) == {}


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("distillation", [0.0, 0.25, 0.5, 1.0])
def test_the_loss_is_that_of_the_paper(distillation: float, smoothing: float):
    trainer = ScaledDistillation(distillation=distillation, label_smoothing=smoothing, mixup=0)
    newest = [3, 5, 6]  # as many as there are older rows, so that all of those are replayed
    found = float(trainer.loss(step(trainer, lesson(), newest, NOW)).detach())

    labeled = lesson().labeled
    said = softmax64(labeled.embeddings_BD @ NOW.layers[0][0] + NOW.layers[0][1])
    targets = (1 - smoothing) * np.eye(CLASSES)[labeled.labels_B] + smoothing / CLASSES
    entropies = -(targets * np.log(said)).sum(axis=1)
    apart = special.rel_entr(softmax64(THEN), said[:3]).sum(axis=1)
    older = distillation * apart.mean() + (1 - distillation) * entropies[:3].mean()
    assert found == pytest.approx(4 / 7 * entropies[newest].mean() + 3 / 7 * older, rel=1e-5)


def test_older_rows_of_which_the_same_is_said_as_then_teach_nothing():
    given = data(4, past(3, NOW, NOW.logits(data(4).labeled.embeddings_BD[:3])))
    trainer = ScaledDistillation(distillation=1.0, mixup=0, label_smoothing=0)
    taken = step(trainer, given, [3], NOW)
    trainer.loss(taken).backward()
    weight = taken.module[0].weight.grad

    module = torch.nn.Linear(DIMENSIONS, CLASSES)
    NOW.fill(torch.nn.Sequential(module))
    newest = torch.from_numpy(given.labeled.embeddings_BD[3:])
    (torch.nn.functional.cross_entropy(module(newest), torch.from_numpy(given.labeled.labels_B[3:])) / 4).backward()
    torch.testing.assert_close(weight, module.weight.grad)


def test_mixup_leaves_older_rows_alone():
    """With a newest row alone, mixing it with itself changes nothing, so that mixup must not change the loss."""
    losses = []
    for mixup in (0.0, 5.0):
        trainer = ScaledDistillation(mixup=mixup)
        given = data(2, past(1, NOW, THEN[:1]))
        losses.append(float(trainer.loss(step(trainer, given, [1], NOW)).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("distillation", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(distillation: float):
    with pytest.raises(ValueError, match="distillation"):
        ScaledDistillation(distillation=distillation)

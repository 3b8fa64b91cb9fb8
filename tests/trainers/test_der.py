"""Dark experience replay: the loss written out, and logits that stay those of the round that bought a row."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labelbench_ray.trainers.der import Der
from labelbench_ray.trainers.experience_replay import ExperienceReplay
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, STILL, data, model, previous, step

NOW = model(3, DIMENSIONS, CLASSES)
THEN = np.random.default_rng(8).normal(size=(3, CLASSES))
NEWEST = [3, 4, 5]  # as many as there are older rows, so that all of those are replayed


@pytest.mark.parametrize(("logits", "labels", "smoothing"), [(0.1, 1.0, 0.0), (2.0, 0.5, 0.2), (1.0, 0.0, 0.0)])
def test_the_loss_is_that_of_the_paper(logits: float, labels: float, smoothing: float):
    trainer = Der(logits=logits, labels=labels, label_smoothing=smoothing, mixup=0)
    given = data(6, previous(3, NOW), bought=THEN)
    found = float(trainer.loss(step(trainer, given, NEWEST, NOW)).detach())

    now = given.inputs.labeled_LD @ NOW.layers[0][0] + NOW.layers[0][1]
    targets = (1 - smoothing) * np.eye(CLASSES)[given.labels_L] + smoothing / CLASSES
    entropies = -(targets * np.log(softmax64(now))).sum(axis=1)
    apart = ((now[:3].astype(np.float64) - THEN) ** 2).mean()
    assert found == pytest.approx(entropies[3:].mean() + labels * entropies[:3].mean() + logits * apart, rel=1e-5)


def test_1_without_logits_the_gradient_is_twice_that_of_experience_replay():
    """Test 1 of continual training: the sum of two means is twice the mean where there are as many of both."""
    slopes = []
    for trainer in (Der(logits=0, labels=1, mixup=0), ExperienceReplay(mixup=0)):
        taken = step(trainer, data(6, previous(3, NOW), bought=THEN), NEWEST, NOW)
        trainer.loss(taken).backward()
        slopes.append(taken.module[0].weight.grad)
    torch.testing.assert_close(slopes[0], 2 * slopes[1])


def test_5_logits_of_a_row_stay_those_of_the_round_that_bought_it():
    """Test 5 of continual training: in the paper's code, every round overwrites what the rounds before it kept."""
    given = data(9, *(previous(end, model(end, DIMENSIONS, CLASSES)) for end in (2, 4, 6)))
    then = Der().begin(given)["then"].numpy()
    for start, end in ((0, 2), (2, 4), (4, 6)):
        bought_by = model(end, DIMENSIONS, CLASSES)
        assert then[start:end] == pytest.approx(bought_by.logits(given.inputs.labeled_LD[start:end]), rel=1e-6)


def test_a_step_replays_twice_as_many_older_rows_as_newest_ones_by_default():
    trainer = Der()
    assert len(trainer.replayed(step(trainer, data(20, previous(15, NOW)), [15, 16, 17], NOW))) == 6
    assert len(trainer.replayed(step(trainer, data(20, previous(4, NOW)), [15, 16, 17], NOW))) == 4


def test_the_first_round_has_no_logits():
    assert Der().begin(data(5)) == {}
    still = replace(data(5), previous=())
    assert np.isfinite(Der(**STILL).fit(linear(), still, seed=1).layers[0][0]).all()


def linear():
    from labelbench_ray.proxies.linear import Linear

    return Linear()

"""Experience replay: which rows a step learns from, the loss written out, and what all replaying trainers share."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers.der import Der
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trainers.engine.replay import Replay
from labelbench_ray.trainers.experience_replay import ExperienceReplay
from labelbench_ray.trainers.mir import Mir
from labelbench_ray.trainers.scaled_distillation import ScaledDistillation
from labelbench_ray.trainers.sds2 import Sds2
from labelbench_ray.trainers.supervised import Supervised
from tests.samples import softmax64
from tests.trainers.rounds import CLASSES, DIMENSIONS, STILL, data, examples, model, previous, same, step

NOW = model(3, DIMENSIONS, CLASSES)
replayed = ExperienceReplay().replayed

every = pytest.mark.parametrize("trainer", [ExperienceReplay, ScaledDistillation, Mir, Der, Sds2])


def given(rows: int, *bought: int):
    """Rows of which earlier rounds bought so many each."""
    ends = np.cumsum(bought)
    return data(
        rows,
        *(previous(int(end), model(end, DIMENSIONS, CLASSES)) for end in ends),
        bought=np.zeros((sum(bought), CLASSES)),
    )


@every
def test_the_first_round_is_supervised_training(trainer: type[Replay]):
    settings = {"epochs": 3, "learning_rate": 0.05}
    same(trainer(**settings).fit(Linear(), data(9), seed=5), Supervised(**settings).fit(Linear(), data(9), seed=5))


@every
def test_begins_with_the_weights_of_the_last_round(trainer: type[Replay]):
    same(trainer(**STILL).fit(Linear(), given(9, 3, 3), seed=5), model(6, DIMENSIONS, CLASSES))


@every
def test_an_epoch_passes_over_the_newest_rows(trainer: type[Replay]):
    assert trainer().places(given(9, 2, 3)).tolist() == [5, 6, 7, 8]
    assert trainer().places(data(3)).tolist() == [0, 1, 2]


def test_replays_different_older_rows_as_many_as_newest_ones_or_all():
    for seed in range(20):
        found = replayed(step(ExperienceReplay(), given(9, 4, 2), [6, 8, 7], NOW, seed))
        assert len(set(found.tolist())) == 3
        assert set(found.tolist()) <= set(range(6))
    assert sorted(replayed(step(ExperienceReplay(), given(9, 1, 1), [6, 8, 7], NOW))) == [0, 1]
    assert len(replayed(step(ExperienceReplay(), data(9), [6, 8, 7], NOW))) == 0


def test_older_rows_are_drawn_uniformly_whichever_round_bought_them():
    drawing = step(ExperienceReplay(), given(12, 8, 2), [10, 11], NOW)
    counts = np.bincount(np.concatenate([replayed(drawing) for _ in range(3000)]), minlength=10)
    assert stats.chisquare(counts).pvalue > 1e-3


@every
def test_8_processes_that_share_a_fit_draw_the_batches_that_one_process_draws(trainer: type[Replay]):
    """Test 8 of continual training: what a step draws of its own does not move the common stream, mixup included."""
    made = trainer(mixup=0.2)
    streams = [np.random.default_rng(4) for _ in range(3)]
    for rng, device, newest in zip(
        streams,
        [Device(), Device(rank=0, size=2), Device(rank=1, size=2)],
        [range(50, 60), range(50, 60, 2), range(51, 60, 2)],
        strict=True,
    ):
        made.loss(replace(step(made, given(60, 50), list(newest), NOW, device=device), rng=rng))
    assert len({rng.random() for rng in streams}) == 1


def test_processes_that_share_a_fit_replay_rows_of_their_own_and_keep_step():
    shares = [
        step(ExperienceReplay(), given(60, 50), newest, NOW, device=Device(rank=rank, size=2))
        for rank, newest in enumerate([range(50, 56), range(56, 60)])
    ]
    drawn = [[len(replayed(share)) for _ in range(3)] for share in shares]
    assert drawn == [[6] * 3, [4] * 3]
    assert shares[0].rng.random() == shares[1].rng.random()
    first, second = (
        replayed(step(ExperienceReplay(), given(60, 50), range(50, 56), NOW, device=Device(rank=rank, size=2)))
        for rank in (0, 1)
    )
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_mean_cross_entropy_of_newest_and_older_rows(smoothing: float):
    trainer = ExperienceReplay(label_smoothing=smoothing, mixup=0)
    fit_data = given(7, 2, 1)
    newest = [3, 5, 6]
    found = float(trainer.loss(step(trainer, fit_data, newest, NOW)).detach())
    rows = [0, 1, 2, *newest]  # three newest rows, so all three older ones are replayed
    inputs, labels = fit_data.inputs.labeled_LD[rows], fit_data.labels_L.numpy()[rows]
    logs = np.log(softmax64(inputs @ NOW.layers[0][0] + NOW.layers[0][1]))
    targets = (1 - smoothing) * np.eye(CLASSES)[labels] + smoothing / CLASSES
    assert found == pytest.approx(-(targets * logs).sum(axis=1).mean(), rel=1e-5)


@every
def test_a_fit_depends_on_its_seed_alone(trainer: type[Replay]):
    def fit(seed: int):
        return trainer(epochs=3, learning_rate=0.05, batch_size=2).fit(Linear(), given(40, 20, 10), seed)

    same(fit(3), fit(3))
    assert (fit(3).layers[0][0] != fit(4).layers[0][0]).any()


def test_parts_of_a_batch_learn_as_the_whole_does_but_for_the_rows_that_are_drawn():
    rows = examples(60)
    for parts in (1, 3):
        trainer = ExperienceReplay(epochs=20, learning_rate=0.1, accumulation=parts, label_smoothing=0, mixup=0)
        fitted = trainer.fit(Linear(), given(60, 20, 20), seed=0)
        assert (fitted.logits(rows.embeddings_BD).argmax(axis=1) == rows.labels_B).mean() > 0.8


@pytest.mark.parametrize(
    ("older_per_newest", "rows", "bought", "factor"),
    [
        (1.0, 9, [6], 2.0),
        (0.5, 8, [4], 1.5),
        (4.0, 9, [3, 3], 3.0),  # three newest rows and all six older ones
        (1.0, 9, [], 1.0),  # the first round
        (2.0, 1300, [1250], 3.0),
    ],
)
def test_the_learning_rate_grows_with_the_rows_of_a_step(older_per_newest, rows: int, bought: list[int], factor: float):
    settings = {"older_per_newest": older_per_newest, "learning_rate": 0.25, "batch_size": 50}
    before = given(rows, *bought)
    assert ExperienceReplay(scale_rate=True, **settings).rate(before) == pytest.approx(0.25 * factor)
    assert ExperienceReplay(**settings).rate(before) == 0.25


@every
def test_a_fit_with_a_scaled_rate_is_one_with_that_rate(trainer: type[Replay]):
    settings = {"epochs": 3, "older_per_newest": 1.0, "batch_size": 5}
    scaled = trainer(learning_rate=0.0625, scale_rate=True, **settings).fit(Linear(), given(40, 30), seed=3)
    same(scaled, trainer(learning_rate=0.125, **settings).fit(Linear(), given(40, 30), seed=3))

"""What a fit reports of its work, and the stop by accuracy on the newest rows."""

from dataclasses import replace

import numpy as np
import pytest

from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers.der import Der
from labelbench_ray.trainers.engine.data import Work
from labelbench_ray.trainers.experience_replay import ExperienceReplay
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.trainers.mir import Mir
from labelbench_ray.trainers.supervised import Supervised
from tests.trainers.rounds import CLASSES, DIMENSIONS, data, model, previous

NOW = model(3, DIMENSIONS, CLASSES)
SETTINGS = {"mixup": 0.0, "batch_size": 5, "epochs": 4, "keep": "last", "warmup_steps": 0}


def work(trainer, rows: int, older: int) -> Work:
    reported = list[Work]()
    given = data(rows, *([previous(older, NOW)] if older else []))
    trainer.fit(Linear(), replace(given, on_work=reported.append), seed=3)
    (only,) = reported
    return only


@pytest.mark.parametrize(
    ("trainer", "passes"),
    [
        (Supervised(**SETTINGS), 4 * 3 * 30),
        (ExperienceReplay(**SETTINGS), 4 * 2 * 3 * (5 + 5)),
        (Der(**SETTINGS), 4 * 2 * 3 * (5 + 10)),
        # 3 m + 2 C + 3 (m + R) a step, with all 20 older rows as candidates of 10
        (Mir(**SETTINGS), 4 * 2 * (3 * 5 + 2 * 20 + 3 * (5 + 10))),
    ],
)
def test_row_passes_are_one_forward_and_two_backward(trainer, passes: int):
    assert work(trainer, 30, 20 if trainer.from_scratch else 0) == Work(4, passes)


def test_validation_is_not_work():
    steered = Supervised(**SETTINGS | {"keep": "loss", "patience": 50})
    assert work(steered, 30, 0).row_passes == 4 * 3 * 30


def test_logistic_counts_its_iterations():
    done = work(Logistic(), 30, 0)
    assert done.epochs > 1
    assert done.row_passes == 3 * 30 * done.epochs


def test_a_fit_ends_once_its_steps_see_their_rows_right():
    settings = SETTINGS | {"epochs": 200, "learning_rate": 0.05}
    assert work(Supervised(**settings), 30, 0).epochs == 200
    ended = work(Supervised(**settings, until_accuracy=0.9), 30, 0)
    assert 1 < ended.epochs < 60
    assert work(Supervised(**settings, until_accuracy=0.01), 30, 0).epochs == 1  # never before its first epoch


def test_only_newest_rows_decide_when_a_fit_ends():
    """Older rows with labels that nothing explains are replayed, and do not keep the fit from ending."""
    given = data(30, previous(20, NOW))
    labels_L = given.answers_L.copy()
    labels_L[:20] = (labels_L[:20] + np.random.default_rng(1).integers(1, 3, 20)) % CLASSES
    reported = list[Work]()
    settings = SETTINGS | {"epochs": 300, "learning_rate": 0.05, "older_per_newest": 0.2}
    trainer = ExperienceReplay(**settings, until_accuracy=0.99)
    trainer.fit(Linear(), replace(given, answers_L=labels_L, on_work=reported.append), seed=3)
    assert reported[0].epochs < 300


@pytest.mark.parametrize("mixed", [{}, {"mixup": 0.0, "cutmix": 1.0}])
def test_mixed_rows_cannot_be_counted(mixed: dict[str, float]):
    with pytest.raises(ValueError, match=r"until_accuracy=0.9 counts right answers.*set mixup=0"):
        Supervised(until_accuracy=0.9, **mixed)

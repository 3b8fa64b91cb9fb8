"""What going on from the last round keeps, on digits whose classes come one after the other, then again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies.shallow import Shallow
from labelbench_ray.trainers import PreviousRound
from labelbench_ray.trainers.der import Der
from labelbench_ray.trainers.engine.data import Work, embedded_data
from labelbench_ray.trainers.engine.replay import Replay
from labelbench_ray.trainers.experience_replay import ExperienceReplay
from labelbench_ray.trainers.mir import Mir
from labelbench_ray.trainers.newest_only import NewestOnly
from labelbench_ray.trainers.scaled_distillation import ScaledDistillation
from labelbench_ray.trainers.sds2 import Sds2
from labelbench_ray.trainers.supervised import Supervised
from labelbench_ray.types import Examples

SETTINGS = {
    "epochs": 60,
    "learning_rate": 0.005,
    "keep": "last",
    "warmup_steps": 0,
    "mixup": 0.0,
    "label_smoothing": 0.0,
    "until_accuracy": 0.99,
}
BY_CLASS = ((0, 1, 2, 3), (4, 5, 6), (7, 8, 9))
ALL_CLASSES = (tuple(range(10)),) * 6


def learned(trainer: Supervised, rounds: Sequence[Sequence[int]], rows_of_a_round: int) -> tuple[float, int]:
    """(accuracy of the last model on the rows of earlier rounds, row passes of the rounds after the first)."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    raw_LD, labels_L = np.empty((0, 64), np.float16), np.empty(0, np.int64)
    nothing = Examples(np.empty((0, 64), np.float32), np.empty(0, np.int64))
    standardization = standardize((digits.data / 16).astype(np.float16))
    previous, work = list[PreviousRound](), list[Work]()
    left_N = np.ones(len(digits.target), np.bool_)
    for classes in rounds:
        bought = np.flatnonzero(np.isin(digits.target, classes) & left_N)[:rows_of_a_round]
        left_N[bought] = False
        raw_LD = np.concatenate([raw_LD, (digits.data[bought] / 16).astype(np.float16)])
        labels_L = np.concatenate([labels_L, digits.target[bought]])
        ids = np.arange(len(labels_L))
        data = embedded_data(raw_LD, labels_L, nothing, 10, standardization, ids, previous=tuple(previous))
        model = trainer.fit(Shallow(), replace(data, on_work=work.append), seed=3)
        previous.append(PreviousRound(len(labels_L), model.tensors))
    right_L = model.logits(raw_LD).argmax(axis=1) == labels_L
    return float(right_L[:-rows_of_a_round].mean()), sum(each.row_passes for each in work[1:])


def test_6_newest_rows_alone_make_it_forget():
    """Test 6 of continual training, the first half."""
    kept, _ = learned(NewestOnly(batch_size=20, **SETTINGS), BY_CLASS, 100)
    assert kept < 0.9


@pytest.mark.parametrize("trainer", [ExperienceReplay, Mir, Der, ScaledDistillation, Sds2])
def test_6_replay_keeps_what_earlier_rounds_taught(trainer: type[Replay]):
    """Test 6 of continual training, the second half."""
    kept, _ = learned(trainer(batch_size=20, **SETTINGS), BY_CLASS, 100)
    assert kept >= 0.9


def test_6_replay_needs_fewer_row_passes_than_from_scratch():
    """Test 6 of continual training: the three trainers that do not look at candidates, where rounds are alike."""
    _, from_scratch = learned(Supervised(batch_size=40, **SETTINGS), ALL_CLASSES, 50)
    for trainer in (ExperienceReplay, Der, ScaledDistillation):
        _, spent = learned(trainer(batch_size=20, older_per_newest=1.0, **SETTINGS), ALL_CLASSES, 50)
        assert from_scratch > 1.5 * spent, trainer

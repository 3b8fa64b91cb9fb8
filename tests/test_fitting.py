"""What a fitter tells trainers of the rounds before."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from labelbench_ray.config import Trial
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.trainers import Trainer, TrainingData
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import Earlier, Lesson, LightFitter, in_process, pasts
from tests.samples import make_embedded

BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=2)
EMBEDDED = make_embedded()
CLASSES, DIMENSIONS = 3, 4
GIVEN: list[TrainingData] = []


class Noting(Trainer):
    """Notes what it is given."""

    def fit(self, proxy: Proxy, data: TrainingData, seed: int) -> Classifier:
        GIVEN.append(data)
        return constant(0)


def constant(said: float) -> Classifier:
    """Says the same logits of every row."""
    weight = np.zeros((DIMENSIONS, CLASSES), np.float32)
    return Classifier(EMBEDDED.standardization, ((weight, np.full(CLASSES, said, np.float32)),))


def by_position() -> Classifier:
    """Says of a row its raw embedding's first entries."""
    identity = replace(
        EMBEDDED.standardization, mean_D=np.zeros(DIMENSIONS, np.float32), scale_D=np.ones(DIMENSIONS, np.float32)
    )
    return Classifier(identity, ((np.eye(DIMENSIONS, CLASSES, dtype=np.float32), np.zeros(CLASSES, np.float32)),))


def test_each_round_says_the_logits_of_the_rows_that_it_bought():
    earlier = [Earlier(end, constant(number).tensors) for number, end in enumerate([2, 3, 6])]
    found = pasts(earlier, np.ones((9, DIMENSIONS), np.float16))
    assert [round_.num_labeled for round_ in found] == [2, 3, 6]
    assert [round_.bought_BK()[:, 0].tolist() for round_ in found] == [[0, 0], [1], [2, 2, 2]]
    assert pasts([], np.ones((9, DIMENSIONS), np.float16)) == ()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_fitter_hands_on_the_rounds_in_the_order_of_purchase(number: int):
    GIVEN.clear()
    labeled = np.array([40, 7, 99, 3, 60, 2])
    earlier = [Earlier(2 * (round_ + 1), by_position().tensors) for round_ in range(number)]
    built = replace(parts.build(BASE), trainer=Noting())
    lesson = Lesson(labeled, EMBEDDED.pool.labels_N[labeled], earlier, 0, lambda heard: None)
    LightFitter(built, EMBEDDED, (), in_process(EMBEDDED)).fit(lesson)
    (data,) = GIVEN
    assert [round_.num_labeled for round_ in data.past] == [2, 4, 6][:number]
    raw = EMBEDDED.pool.embeddings_ND[labeled].astype(np.float32)
    for round_, rows in zip(data.past, (raw[0:2], raw[2:4]), strict=False):
        np.testing.assert_allclose(round_.bought_BK(), rows[:, :CLASSES], rtol=1e-6)
    np.testing.assert_allclose(
        data.labeled.embeddings_BD * EMBEDDED.standardization.scale_D + EMBEDDED.standardization.mean_D, raw, atol=1e-5
    )


def test_models_of_earlier_rounds_are_not_read_before_they_are_asked_for():
    read = []

    def tensors() -> Mapping[str, np.ndarray]:
        read.append(True)
        return constant(1).tensors()

    (found,) = pasts([Earlier(2, tensors)], np.ones((9, DIMENSIONS), np.float16))
    assert not read
    found.bought_BK()
    assert read

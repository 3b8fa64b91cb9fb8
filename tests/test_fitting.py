"""What a fitter passes to trainers of the rounds before."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from labelbench_ray.config import Trial
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.trainers import EmbeddedInputs, FitData, PreviousRound, Trainer
from labelbench_ray.trainers.engine.data import ignore
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from tests.samples import make_embedded

BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=3, budget=2)
EMBEDDED = make_embedded()
CLASSES, DIMENSIONS = 3, 4
GIVEN: list[FitData[EmbeddedInputs]] = []


class Noting(Trainer):
    """Notes what it is given."""

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
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


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_fitter_hands_on_the_rounds_in_the_order_of_purchase(number: int):
    GIVEN.clear()
    labeled = np.array([40, 7, 99, 3, 60, 2])
    previous = [PreviousRound(2 * (round_ + 1), by_position().tensors) for round_ in range(number)]
    built = replace(parts.build(BASE), trainer=Noting())
    request = FitRequest(labeled, EMBEDDED.pool.labels_N[labeled], previous, 0, ignore)
    LightFitter(built, EMBEDDED, (), in_process(EMBEDDED)).fit(request)
    (data,) = GIVEN
    assert [round_.num_labeled for round_ in data.previous] == [2, 4, 6][:number]
    raw = EMBEDDED.pool.embeddings_ND[labeled].astype(np.float32)
    for round_ in data.previous:
        found = data.logits(round_.tensors(), np.array([2, 0, 5]))
        np.testing.assert_allclose(found, raw[[2, 0, 5], :CLASSES], rtol=1e-6)
    np.testing.assert_allclose(
        data.inputs.labeled_LD * EMBEDDED.standardization.scale_D + EMBEDDED.standardization.mean_D, raw, atol=1e-5
    )


def test_models_of_earlier_rounds_are_not_read_before_they_are_asked_for():
    read = []

    def tensors() -> Mapping[str, np.ndarray]:
        read.append(True)
        return constant(1).tensors()

    GIVEN.clear()
    built = replace(parts.build(BASE), trainer=Noting())
    request = FitRequest(np.array([40, 7, 3]), np.array([0, 1, 2]), [PreviousRound(2, tensors)], 0, ignore)
    LightFitter(built, EMBEDDED, (), in_process(EMBEDDED)).fit(request)
    assert not read
    (data,) = GIVEN
    assert data.logits(data.previous[0].tensors(), np.arange(2)).tolist() == [[1] * CLASSES] * 2
    assert read

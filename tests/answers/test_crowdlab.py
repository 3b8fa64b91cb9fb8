"""CROWDLAB through cleanlab."""

from importlib.util import find_spec

import numpy as np
import pytest

from labelbench_ray.answers import consensus
from labelbench_ray.answers.consensus.votes import Votes
from labelbench_ray.errors import ConfigError

pytestmark = pytest.mark.skipif(find_spec("cleanlab") is None, reason="needs cleanlab")


def test_a_model_settles_what_annotators_leave_open() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(5, size=600)
    annotators = np.argsort(draw.random((600, 8)), axis=1)[:, :2]
    wrong = (truth[:, None] + draw.integers(1, 5, size=(600, 2))) % 5
    labels = np.where(draw.random((600, 2)) < 0.75, truth[:, None], wrong)
    probabilities = np.full((601, 5), 0.05)
    guesses = np.where(draw.random(600) < 0.85, truth, (truth + 1) % 5)
    probabilities[np.arange(600), guesses] = 0.8
    probabilities[600] = 0.2
    votes = Votes.of(np.repeat(np.arange(600), 2), 2 * annotators.ravel(), labels.ravel(), 601, 5)
    found = consensus.of("crowdlab")(votes, probabilities)
    alone = consensus.of("one_coin")(votes)
    assert found.labels_N[600] == -1
    assert found.confidence_N[600] == 0
    assert not found.disputed_N.any()
    assert np.mean(found.labels_N[:600] == truth) > np.mean(alone.labels_N[:600] == truth) + 0.05
    at_label = found.posterior.labels_P == found.labels_N[found.posterior.rows_P]
    rows = found.posterior.rows_P[at_label]
    assert found.posterior.probabilities_P[at_label] == pytest.approx(found.confidence_N[rows])


def test_it_needs_a_model() -> None:
    votes = Votes.of([0], [0], [1], 2, 3)
    with pytest.raises(ConfigError, match=r"needs a model's probabilities of shape \(2, 3\), and got none; train"):
        consensus.of("crowdlab")(votes)
    with pytest.raises(ConfigError, match=r"got an array of shape \(2, 2\)"):
        consensus.of("crowdlab")(votes, np.full((2, 2), 0.5))


def test_without_a_second_answer_labels_are_as_given_with_the_models_probabilities() -> None:
    crowdlab = consensus.of("crowdlab")
    assert crowdlab(Votes.of([], [], [], 2, 3), np.full((2, 3), 1 / 3)).labels_N.tolist() == [-1, -1]
    one = crowdlab(Votes.of([1], [4], [2], 2, 3), np.array([[1, 0, 0], [0.2, 0.5, 0.3]]))
    assert one.labels_N.tolist() == [-1, 2]
    assert one.confidence_N.tolist() == [0, 0.3]


@pytest.mark.parametrize("labels", [[1, 1], [1, 2]])
def test_two_answers_to_one_row(labels: list[int]) -> None:
    found = consensus.of("crowdlab")(Votes.of([1, 1], [3, 5], labels, 2, 3), np.array([[1, 0, 0], [0.1, 0.8, 0.1]]))
    assert found.labels_N.tolist() == [-1, 1]
    assert 0 < found.confidence_N[1] <= 1
